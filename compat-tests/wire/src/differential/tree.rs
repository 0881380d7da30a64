//! A response as paths and values, read from its `{:#?}`.

/// One field: where it is, and its value as text.
pub type Field = (String, String);

/// Fields that tell the elements of a list apart, the most telling first.
const KEYS: [&str; 22] = [
    "name",
    "topic",
    "topic_name",
    "resource_name",
    "group_id",
    "group",
    "log_dir",
    "api_key",
    "node_id",
    "broker_id",
    "partition_index",
    "partition",
    "key",
    "entity_type",
    "feature",
    "transactional_id",
    "user",
    "protocol_name",
    "index",
    "partition_id",
    "member_id",
    "topic_id",
];

#[derive(Debug)]
enum Node {
    Leaf(String),
    Fields(Vec<(String, Node)>),
    List(Vec<Node>),
}

/// The fields of what was printed with `{:#?}`. Elements of lists are named by their key where they have one, as Apache
/// Kafka keeps most lists in hash maps.
pub fn flatten(debug: &str) -> Vec<Field> {
    let mut lines = debug.lines().map(str::trim);
    let mut out = Vec::new();
    if let Some(first) = lines.next() {
        let node = value(first, &mut lines);
        walk(&node, "", &mut out);
    }
    out
}

fn value<'a>(text: &str, lines: &mut impl Iterator<Item = &'a str>) -> Node {
    let text = text.strip_suffix(',').unwrap_or(text);
    match text.chars().last() {
        Some('{') if text.ends_with(" {") => Node::Fields(fields(lines)),
        Some('[') if text == "[" => Node::List(elements(lines)),
        Some('(') if text.chars().rev().skip(1).all(char::is_alphanumeric) => {
            let mut inner = elements(lines);
            inner.pop().unwrap_or(Node::Leaf(String::new()))
        }
        _ => Node::Leaf(text.to_owned()),
    }
}

fn fields<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Vec<(String, Node)> {
    let mut out = Vec::new();
    while let Some(line) = lines.next() {
        if line.starts_with('}') {
            break;
        }
        let (name, rest) = line.split_once(": ").unwrap_or(("", line));
        out.push((name.to_owned(), value(rest, lines)));
    }
    out
}

fn elements<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Vec<Node> {
    let mut out = Vec::new();
    while let Some(line) = lines.next() {
        if line.starts_with([']', ')']) {
            break;
        }
        out.push(value(line, lines));
    }
    out
}

fn walk(node: &Node, path: &str, out: &mut Vec<Field>) {
    match node {
        Node::Leaf(text) if path.ends_with("unknown_tagged_fields") && text == "None" => {}
        Node::Leaf(text) if text == "[]" => out.push((format!("{path}.len"), "0".to_owned())),
        Node::Leaf(text) => out.push((path.to_owned(), text.clone())),
        Node::Fields(fields) => {
            for (name, node) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                walk(node, &path, out);
            }
        }
        Node::List(elements) => walk_list(elements, path, out),
    }
}

/// Lists of plain words that Apache Kafka keeps in a hash set, so that their order says nothing.
const SETS: [&str; 1] = ["subscribed_topic_names"];

fn walk_list(elements: &[Node], path: &str, out: &mut Vec<Field>) {
    out.push((format!("{path}.len"), elements.len().to_string()));
    if SETS.iter().any(|name| path.ends_with(name)) {
        let mut words: Vec<&str> = elements.iter().filter_map(leaf).collect();
        words.sort_unstable();
        out.extend(words.into_iter().enumerate().map(|(n, word)| (format!("{path}[{n}]"), word.to_owned())));
        return;
    }
    let mut seen: Vec<String> = Vec::new();
    for (n, element) in elements.iter().enumerate() {
        let label = key(element).unwrap_or_else(|| n.to_string());
        let repeated = seen.iter().filter(|other| **other == label).count();
        let nth = if repeated == 0 { String::new() } else { format!("#{repeated}") };
        walk(element, &format!("{path}[{label}{nth}]"), out);
        seen.push(label);
    }
}

fn leaf(node: &Node) -> Option<&str> {
    match node {
        Node::Leaf(text) => Some(text),
        Node::Fields(_) | Node::List(_) => None,
    }
}

fn key(element: &Node) -> Option<String> {
    let Node::Fields(fields) = element else {
        return None;
    };
    let of = |key: &&str| {
        let text = fields.iter().find(|(name, _)| name == key).and_then(|(_, node)| leaf(node))?;
        (text != "None").then(|| text.replace('"', ""))
    };
    let mut keys = KEYS.iter().filter_map(of);
    let first = keys.next()?;
    // A group may have no name, and is the only one of its list.
    Some(if first.is_empty() { keys.find(|text| !text.is_empty()).unwrap_or(first) } else { first })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_in_order_and_a_name_may_be_empty() {
        #[derive(Debug)]
        #[allow(dead_code)]
        struct Member {
            group_id: &'static str,
            subscribed_topic_names: Vec<&'static str>,
        }
        let members = [
            Member { group_id: "g", subscribed_topic_names: vec!["b", "a"] },
            Member { group_id: "", subscribed_topic_names: vec![] },
        ];
        let fields = flatten(&format!("{members:#?}"));
        let text: Vec<_> = fields.iter().map(|(path, value)| format!("{path}={value}")).collect();
        assert_eq!(
            text,
            [
                ".len=2",
                "[g].group_id=\"g\"",
                "[g].subscribed_topic_names.len=2",
                "[g].subscribed_topic_names[0]=\"a\"",
                "[g].subscribed_topic_names[1]=\"b\"",
                "[].group_id=\"\"",
                "[].subscribed_topic_names.len=0",
            ]
        );
    }

    #[derive(Debug)]
    #[allow(dead_code)]
    struct Topic {
        name: Option<&'static str>,
        partitions: Vec<i32>,
    }

    #[test]
    fn lists_are_named_by_key() {
        let topics =
            vec![Topic { name: Some("a: {"), partitions: vec![1, 2] }, Topic { name: None, partitions: vec![] }];
        let fields = flatten(&format!("{topics:#?}"));
        let text: Vec<_> = fields.iter().map(|(path, value)| format!("{path}={value}")).collect();
        assert_eq!(
            text,
            [
                ".len=2",
                "[a: {].name=\"a: {\"",
                "[a: {].partitions.len=2",
                "[a: {].partitions[0]=1",
                "[a: {].partitions[1]=2",
                "[1].name=None",
                "[1].partitions.len=0",
            ]
        );
    }
}
