//! Java's `.properties` syntax, with the line each entry stands on.

/// The file is not in the syntax of `.properties`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PropertiesError {
    /// `\u` is followed by something else than four hexadecimal digits.
    #[error("{path}:{line}: Malformed \\uxxxx encoding.")]
    Escape { path: String, line: usize },
}

/// One `key=value`, with the first line it stands on, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) line: usize,
    pub(crate) key: String,
    pub(crate) value: String,
}

/// Reads a file as `Properties.load(InputStream)` does, which takes the bytes as ISO-8859-1.
pub(crate) fn parse(path: &str, bytes: &[u8]) -> Result<Vec<Entry>, PropertiesError> {
    let text: String = bytes.iter().copied().map(char::from).collect();
    let error = |line| PropertiesError::Escape { path: path.to_owned(), line };
    logical_lines(&text)
        .into_iter()
        .map(|(line, text)| {
            let (key, value) = split(&text);
            let key = unescape(key).ok_or_else(|| error(line))?;
            let value = unescape(value).ok_or_else(|| error(line))?;
            Ok(Entry { line, key, value })
        })
        .collect()
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Joins lines that end in a lone backslash; drops comments and blank lines.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, natural) in natural_lines(text).enumerate() {
        let content = natural.trim_start_matches(is_blank);
        let (line, mut joined) = match open.take() {
            Some(open) => open,
            None if content.is_empty() || content.starts_with(['#', '!']) => continue,
            None => (index + 1, String::new()),
        };
        let backslashes = content.len() - content.trim_end_matches('\\').len();
        if backslashes % 2 == 1 {
            joined.push_str(content.strip_suffix('\\').unwrap_or(content));
            open = Some((line, joined));
        } else {
            joined.push_str(content);
            lines.push((line, joined));
        }
    }
    lines.extend(open);
    lines
}

/// A line ends with LF, CR or CR LF.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

/// The key ends at the first unescaped `=`, `:` or blank; one separator and the blanks around it go.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|c: char| {
        let ends = !escaped && (is_blank(c) || c == '=' || c == ':');
        escaped = c == '\\' && !escaped;
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start_matches(is_blank);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, value.trim_start_matches(is_blank))
}

fn unescape(text: &str) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    let mut buffer = [0; 2];
    while let Some(c) = chars.next() {
        if c != '\\' {
            units.extend_from_slice(c.encode_utf16(&mut buffer));
            continue;
        }
        match chars.next() {
            None => break,
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let is_hex = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                units.push(is_hex.then(|| u16::from_str_radix(&digits, 16).ok()).flatten()?);
            }
            Some(c) => units.extend_from_slice(control(c).encode_utf16(&mut buffer)),
        }
    }
    Some(String::from_utf16_lossy(&units))
}

fn control(c: char) -> char {
    match c {
        't' => '\t',
        'n' => '\n',
        'r' => '\r',
        'f' => '\u{c}',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, String, String)> {
        let entries = parse("f", text.as_bytes()).unwrap();
        entries.into_iter().map(|entry| (entry.line, entry.key, entry.value)).collect()
    }

    fn one(text: &str) -> (String, String) {
        let mut entries = read(text);
        assert_eq!(entries.len(), 1, "{text}");
        let (_, key, value) = entries.remove(0);
        (key, value)
    }

    #[test]
    fn separators_blanks_and_comments_follow_java() {
        for text in ["a=b", "a = b", "a:b", "a b", "  a\t:\tb", "a=b\r\n", "#c\n!d\n\na=b"] {
            assert_eq!(one(text), ("a".into(), "b".into()), "{text:?}");
        }
        assert_eq!(one("a= b "), ("a".into(), "b ".into()), "a value keeps its last blanks");
        assert_eq!(one("a=="), ("a".into(), "=".into()));
        assert_eq!(one("a"), ("a".into(), String::new()));
        assert_eq!(one("x=a#b"), ("x".into(), "a#b".into()));
    }

    #[test]
    fn escapes_and_continuations_follow_java() {
        assert_eq!(one("a\\ b\\:c\\==d"), ("a b:c=".into(), "d".into()));
        assert_eq!(one("a=x\\\n   y\\\r\n z"), ("a".into(), "xyz".into()));
        assert_eq!(one("a=x\\\\"), ("a".into(), "x\\".into()));
        assert_eq!(one("a=x\\\n# y"), ("a".into(), "x# y".into()));
        assert_eq!(one("a=\\u00e9\\t\\z\\ud83d\\ude00"), ("a".into(), "\u{e9}\tz\u{1f600}".into()));
        assert_eq!(one("a=b\\"), ("a".into(), "b".into()));
        let latin = parse("f", b"a=\xe9").unwrap();
        assert_eq!(latin.first().map(|entry| entry.value.as_str()), Some("\u{e9}"));
    }

    #[test]
    fn lines_are_counted_in_the_file() {
        let lines: Vec<usize> = read("# c\n\na=1\nb=\\\n2\nc=3\r\nd=4").iter().map(|entry| entry.0).collect();
        assert_eq!(lines, [3, 4, 6, 7]);
        let error = parse("server.properties", b"a=1\nb=\\u12g4").unwrap_err();
        assert_eq!(error.to_string(), "server.properties:2: Malformed \\uxxxx encoding.");
    }
}
