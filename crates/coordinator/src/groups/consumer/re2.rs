//! From RE2's syntax, which clients write (KIP-848), to that of the library: they differ in a few odd corners.

use core::iter::Peekable;
use core::str::Chars;

/// RE2 counts no further.
const MAX_REPEAT: u32 = 1000;
const NESTED: &str = "invalid nested repetition operator";

/// The same expression for the library, or what RE2 has against it. What both refuse is left for the library to refuse.
pub(super) fn translate(expression: &str) -> Result<String, &'static str> {
    let mut chars = expression.chars().peekable();
    let mut out = String::with_capacity(expression.len());
    let mut is_repeated = false;
    while let Some(char) = chars.next() {
        is_repeated = match char {
            '*' | '+' | '?' if is_repeated => return Err(NESTED),
            '*' | '+' | '?' => {
                out.push(char);
                lazily(&mut chars, &mut out)
            }
            '{' => match count(&mut chars)? {
                Some(_) if is_repeated => return Err(NESTED),
                Some(count) => {
                    out.push_str(&count);
                    lazily(&mut chars, &mut out)
                }
                None => literally(r"\{", &mut out),
            },
            '\\' => escape(&mut chars, &mut out),
            '[' => class(&mut chars, &mut out),
            // The question mark of flags and names repeats nothing.
            '(' if chars.next_if_eq(&'?').is_some() => literally("(?", &mut out),
            char => literally(char.encode_utf8(&mut [0; 4]), &mut out),
        };
    }
    Ok(out)
}

fn literally(text: &str, out: &mut String) -> bool {
    out.push_str(text);
    false
}

fn lazily(chars: &mut Peekable<Chars<'_>>, out: &mut String) -> bool {
    out.extend(chars.next_if_eq(&'?'));
    true
}

/// A repetition in braces after the first of them; none if they are literal, and then nothing is taken.
fn count(chars: &mut Peekable<Chars<'_>>) -> Result<Option<String>, &'static str> {
    let ahead: String = chars.clone().take_while(|char| *char != '}').collect();
    let (least, most) = ahead.split_once(',').map_or((ahead.as_str(), None), |(least, most)| (least, Some(most)));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_closed = chars.clone().any(|char| char == '}');
    if !is_closed || !is_number(least) || most.is_some_and(|most| !most.is_empty() && !is_number(most)) {
        return Ok(None);
    }
    let numbers = [Some(least), most.filter(|most| !most.is_empty())];
    let is_too_large = |number: &str| number.parse::<u32>().map_or(true, |number| number > MAX_REPEAT);
    if numbers.into_iter().flatten().any(is_too_large) {
        return Err("invalid repeat count");
    }
    chars.by_ref().take(ahead.chars().count() + 1).for_each(drop);
    Ok(Some(format!("{{{ahead}}}")))
}

/// What is between `\Q` and `\E`, or to the end, stands for itself.
fn escape(chars: &mut Peekable<Chars<'_>>, out: &mut String) -> bool {
    if chars.next_if_eq(&'Q').is_none() {
        out.push('\\');
        out.extend(chars.next());
        return false;
    }
    let rest: String = chars.clone().collect();
    let (literal, taken) = match rest.split_once(r"\E") {
        Some((literal, _)) => (literal, literal.chars().count() + 2),
        None => (rest.as_str(), rest.chars().count()),
    };
    chars.by_ref().take(taken).for_each(drop);
    literally(&regex::escape(literal), out)
}

/// A class; to the library a bracket within it begins another, and some doubled characters are operators.
fn class(chars: &mut Peekable<Chars<'_>>, out: &mut String) -> bool {
    out.push('[');
    out.extend(chars.next_if_eq(&'^'));
    if chars.next_if_eq(&']').is_some() {
        out.push_str(r"\]");
    }
    while let Some(char) = chars.next() {
        match char {
            ']' => return literally("]", out),
            '\\' => {
                out.push(char);
                out.extend(chars.next());
            }
            '[' if chars.peek() == Some(&':') => {
                out.push(char);
                while let Some(char) = chars.next_if(|char| *char != ']') {
                    out.push(char);
                }
                out.extend(chars.next());
            }
            '[' | '&' | '~' => {
                out.push('\\');
                out.push(char);
            }
            char => out.push(char),
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn what_both_write_alike_is_left_as_it_is() {
        for expression in
            ["a.*", "(?i)a+?b??", "[a-z]{2,3}?", r"\d\.", "[[:alpha:]_]", "(?P<n>a|b)$", "^[^x]", "[", r"\"]
        {
            assert_eq!(translate(expression).as_deref(), Ok(expression));
        }
    }

    #[test]
    fn what_is_odd_in_one_is_written_otherwise() {
        for (expression, expected) in [
            ("a{", r"a\{"),
            ("a{,2}", r"a\{,2}"),
            ("{x}*", r"\{x}*"),
            (r"\Qa.b\E*", r"a\.b*"),
            (r"\Qa.b", r"a\.b"),
            ("[]a]", r"[\]a]"),
            ("[a[&&b]", r"[a\[\&\&b]"),
        ] {
            assert_eq!(translate(expression).as_deref(), Ok(expected), "{expression}");
        }
    }

    #[test]
    fn what_re2_refuses_is_refused() {
        for expression in ["a**", "a+*", "a{2}{3}", "a*??", "a{1001}", "a{1,1001}"] {
            assert!(translate(expression).is_err(), "{expression}");
        }
    }
}
