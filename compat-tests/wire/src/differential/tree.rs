//! A response as paths and values, read from its `{:#?}`.

/// One field: where it is, and its value as text.
pub type Field = (String, String);

/// Fields that tell the elements of a list apart, the most telling first.
const KEYS: [&str; 20] = [
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

fn walk_list(elements: &[Node], path: &str, out: &mut Vec<Field>) {
    out.push((format!("{path}.len"), elements.len().to_string()));
    let mut seen: Vec<String> = Vec::new();
    for (n, element) in elements.iter().enumerate() {
        let label = key(element).unwrap_or_else(|| n.to_string());
        let repeated = seen.iter().filter(|other| **other == label).count();
        let nth = if repeated == 0 { String::new() } else { format!("#{repeated}") };
        walk(element, &format!("{path}[{label}{nth}]"), out);
        seen.push(label);
    }
}

fn key(element: &Node) -> Option<String> {
    let Node::Fields(fields) = element else {
        return None;
    };
    KEYS.iter().find_map(|key| {
        fields.iter().find_map(|(name, node)| match node {
            Node::Leaf(text) if name == key && text != "None" && text != "\"\"" => Some(text.replace('"', "")),
            _ => None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
