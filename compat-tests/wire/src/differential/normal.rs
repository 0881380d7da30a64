//! Takes out of a field what cannot be the same in two brokers: ids, times, ports, places on disk.

use super::tree::Field;

/// What is known of the broker that answered.
#[derive(Debug, Clone)]
pub struct Normal {
    /// The port of its listener.
    pub port: u16,
    /// The wall clock of the run, in ms since 1970.
    pub now_ms: i64,
    /// Texts of this broker alone, and what stands for each.
    pub aliases: Vec<(String, String)>,
}

/// Fields whose numbers say nothing beyond there being one.
const NUMBERS: [&str; 8] = [
    "throttle_time_ms",
    "session_id",
    "producer_id",
    "total_bytes",
    "usable_bytes",
    "finalized_features_epoch",
    "size",
    "coordinator_epoch",
];
/// The metadata log where it goes by its id.
const METADATA_TOPIC: &str = "[AAAAAAAAAAAAAAAAAAAAAQ]";
const NEAR_MS: i64 = 3_600_000;

impl Normal {
    /// The field as any broker would have given it.
    pub fn apply(&self, (path, value): Field) -> Field {
        let name = path.rsplit('.').next().unwrap_or(&path).to_owned();
        let value = match Self::is_of_the_quorum_alone(&path, &value) {
            true => "<n>".to_owned(),
            false => self.value(&name, &value),
        };
        (self.text(&path), value)
    }

    /// How long the metadata log is, and where controllers listen.
    fn is_of_the_quorum_alone(path: &str, value: &str) -> bool {
        let number = value.parse::<i64>().unwrap_or(0);
        let offset = ["log_end_offset", "high_watermark", "diverging_epoch.end_offset"];
        let of_log = path.contains("[__cluster_metadata]") || path.contains(METADATA_TOPIC);
        let epoch = path == "broker_epoch";
        let offset = of_log && offset.iter().any(|name| path.ends_with(name));
        number > 0 && (offset || epoch || path.contains("[CONTROLLER].port"))
    }

    fn value(&self, name: &str, value: &str) -> String {
        if let Ok(number) = value.parse::<i64>() {
            return self.number(name, number);
        }
        if let Some((_, alias)) = self.aliases.iter().find(|(text, _)| text == value) {
            return alias.clone();
        }
        if is_uuid(value) && value.bytes().any(|byte| byte != b'A') && value != "AAAAAAAAAAAAAAAAAAAAAQ" {
            return "<id>".to_owned();
        }
        self.text(value)
    }

    fn number(&self, name: &str, number: i64) -> String {
        if NUMBERS.contains(&name) && number > 0 || name == "producer_id" && number == 0 {
            return "<n>".to_owned();
        }
        if name == "port" && number == i64::from(self.port) {
            return "<port>".to_owned();
        }
        if (number - self.now_ms).abs() < NEAR_MS && !name.contains("records") {
            return "<now>".to_owned();
        }
        number.to_string()
    }

    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (from, to) in &self.aliases {
            text = text.replace(from.as_str(), to);
        }
        text = without_uuids(&text);
        text = after(&text, "127.0.0.1:", "<port>", |c| c.is_ascii_digit());
        if !text.starts_with("b\"") {
            text = after(&text, "/tmp/", "<path>", |c| !matches!(c, '"' | ']'));
            text = without_clocks(&text);
        }
        text
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 22 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Replaces the longest run of letters that `like` takes behind each `before`.
fn after(text: &str, before: &str, with: &str, like: impl Fn(char) -> bool) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(before) {
        let (head, tail) = rest.split_at(at + before.len());
        let end = tail.find(|c| !like(c)).unwrap_or(tail.len());
        out.push_str(head);
        out.push_str(if end == 0 { "" } else { with });
        rest = tail.get(end..).unwrap_or_default();
    }
    out + rest
}

/// Replaces numbers as long as a time in ms, which stand in messages about timestamps.
fn without_clocks(text: &str) -> String {
    const DIGITS: usize = 13;
    let mut out = String::new();
    let mut digits = String::new();
    for letter in text.chars().chain(['\0']) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        out.push_str(if digits.len() < DIGITS { &digits } else { "<time>" });
        digits.clear();
        out.push(letter);
    }
    out.pop();
    out
}

/// Replaces each UUID written with hyphens, as member ids have at their end.
fn without_uuids(text: &str) -> String {
    const LEN: usize = 36;
    let mut out = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let (taken, end) = match rest.get(..LEN) {
            Some(window) if is_hyphened(window) => ("<uuid>", LEN),
            _ => (rest.get(..letter.len_utf8()).unwrap_or_default(), letter.len_utf8()),
        };
        out.push_str(taken);
        rest = rest.get(end..).unwrap_or_default();
    }
    out
}

fn is_hyphened(window: &str) -> bool {
    window.bytes().enumerate().all(|(n, byte)| match n {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, value: &str) -> String {
        let normal =
            Normal { port: 9092, now_ms: 1_700_000_000_000, aliases: vec![("my-cluster".into(), "<x>".into())] };
        normal.apply((path.to_owned(), value.to_owned())).1
    }

    #[test]
    fn only_what_differs_between_brokers_goes() {
        assert_eq!(of("a.port", "9092"), "<port>");
        assert_eq!(of("a.port", "9093"), "9093");
        assert_eq!(of("a.timestamp", "1700000000500"), "<now>");
        assert_eq!(of("a.timestamp", "-1"), "-1");
        assert_eq!(of("a.topic_id", "AAAAAAAAAAAAAAAAAAAAAA"), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(of("a.topic_id", "qAAAAAAAAAAAAAAAAAAAAA"), "<id>");
        assert_eq!(of("member_id", "\"d-01234567-89ab-cdef-0123-456789abcdef\""), "\"d-<uuid>\"");
        assert_eq!(
            of("value", "\"P://127.0.0.1:17,C://127.0.0.1:18\""),
            "\"P://127.0.0.1:<port>,C://127.0.0.1:<port>\""
        );
        assert_eq!(of("cluster_id", "\"my-cluster\""), "\"<x>\"");
    }
}
