//! Splits Rust source into code, comments and literals, which is all that the checks need to know.

/// What a stretch of source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Code,
    Comment,
    /// A string literal's contents, without quotes.
    Literal,
}

/// A stretch of source and the line it starts on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) kind: Kind,
    pub(crate) line: usize,
    pub(crate) text: &'a str,
}

/// The pieces of a source text in order.
pub(crate) fn pieces(source: &str) -> Vec<Piece<'_>> {
    let mut splitter = Splitter { source, at: 0, code_start: 0, line: 1, line_counted_to: 0, pieces: Vec::new() };
    while splitter.at < source.len() {
        splitter.step();
    }
    splitter.end_code();
    splitter.pieces
}

struct Splitter<'a> {
    source: &'a str,
    at: usize,
    code_start: usize,
    line: usize,
    line_counted_to: usize,
    pieces: Vec<Piece<'a>>,
}

impl<'a> Splitter<'a> {
    fn step(&mut self) {
        let rest = &self.source[self.at..];
        if rest.starts_with("//") {
            let length = rest.find('\n').unwrap_or(rest.len());
            self.take(Kind::Comment, 0, length, 0);
        } else if rest.starts_with("/*") {
            self.take(Kind::Comment, 0, block_comment_length(rest), 0);
        } else if let Some((open, length, close)) = raw_string(rest).filter(|_| !self.in_word()) {
            self.take(Kind::Literal, open, length, close);
        } else if let Some(body) = rest.strip_prefix('"') {
            self.take(Kind::Literal, 1, string_length(body), 1);
        } else {
            let first = rest.chars().next().map_or(1, char::len_utf8);
            self.at += char_literal_length(rest).unwrap_or(first);
        }
    }

    /// Whether the text before this point runs on into it, as the `r` of `for"` would.
    fn in_word(&self) -> bool {
        self.source[..self.at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
    }

    fn take(&mut self, kind: Kind, open: usize, length: usize, close: usize) {
        self.end_code();
        let start = self.at + open;
        let end = (start + length).min(self.source.len());
        self.push(kind, start, end);
        self.at = (end + close).min(self.source.len());
        self.code_start = self.at;
    }

    fn end_code(&mut self) {
        if self.code_start < self.at {
            self.push(Kind::Code, self.code_start, self.at);
        }
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize) {
        self.line += self.source[self.line_counted_to..start].matches('\n').count();
        self.line_counted_to = start;
        self.pieces.push(Piece { kind, line: self.line, text: &self.source[start..end] });
    }
}

fn block_comment_length(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(next) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if next.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if next.starts_with("*/") {
            depth = depth.saturating_sub(1);
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += next.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Lengths of the opening, the body and the closing of a raw string at the start of `text`.
fn raw_string(text: &str) -> Option<(usize, usize, usize)> {
    let prefix = ["r", "br", "cr"].into_iter().find(|prefix| text.starts_with(prefix))?;
    let after = &text[prefix.len()..];
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let closing = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&closing).unwrap_or(body.len());
    Some((prefix.len() + hashes + 1, length, closing.len()))
}

fn string_length(body: &str) -> usize {
    let mut escaped = false;
    for (index, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return index,
            _ => {}
        }
    }
    body.len()
}

/// Length of a character literal with its quotes; `None` where the quote starts a lifetime.
fn char_literal_length(text: &str) -> Option<usize> {
    let body = text.strip_prefix('\'')?;
    if let Some(escape) = body.strip_prefix('\\') {
        let first = escape.chars().next()?.len_utf8();
        return Some(escape[first..].find('\'')? + first + 3);
    }
    let first = body.chars().next()?.len_utf8();
    body[first..].starts_with('\'').then_some(first + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literals(source: &str) -> Vec<(usize, &str)> {
        let literal = pieces(source).into_iter().filter(|piece| piece.kind == Kind::Literal);
        literal.map(|piece| (piece.line, piece.text)).collect()
    }

    #[test]
    fn finds_string_literals_with_their_lines() {
        assert_eq!(literals("let a = \"x\";\nlet b = \"y\\\"z\";"), [(1, "x"), (2, "y\\\"z")]);
        assert_eq!(literals("r#\"a\"b\"# br\"c\" b\"d\""), [(1, "a\"b"), (1, "c"), (1, "d")]);
    }

    #[test]
    fn quotes_elsewhere_open_nothing() {
        assert_eq!(literals("// \"no\"\n/* \"no /* \"no\" */ \" */ \"yes\""), [(2, "yes")]);
        assert_eq!(literals("let q = '\"'; let e = '\\''; fn f<'a>(x: &'a str) { \"in\" }"), [(1, "in")]);
    }

    #[test]
    fn pieces_cover_code_and_comments() {
        let kinds: Vec<Kind> = pieces("a // b\nc").iter().map(|piece| piece.kind).collect();
        assert_eq!(kinds, [Kind::Code, Kind::Comment, Kind::Code]);
    }

    #[test]
    fn unfinished_text_ends() {
        for source in ["\"abc", "/* abc", "r#\"abc", "'", "'\\", "é'é"] {
            pieces(source);
        }
    }
}
