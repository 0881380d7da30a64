//! Pages of topics, written as words.

use super::*;
use ottla_metadata::MetadataRecord;
use ottla_protocol::{
    Uuid,
    messages::describe_topic_partitions_request::{Cursor as AskedCursor, TopicRequest},
    stored::{PartitionRecord, RegisterBrokerRecord, TopicRecord, register_broker_record::BrokerEndpoint},
};

const LISTENER: &str = "PLAINTEXT";
const DISK: Uuid = Uuid::from_bytes([7; 16]);

/// Topics `a` with 2 partitions, `b` with 3 and `c` with 1, on broker 1; broker 2 is a fenced replica of `c`.
fn image() -> Image {
    let mut records: Vec<MetadataRecord> = vec![broker(1, false), broker(2, true)];
    for (number, (name, partitions)) in (1..).zip([("a", 2), ("b", 3), ("c", 1)]) {
        let topic_id = Uuid::from_bytes([number; 16]);
        records.push(TopicRecord { name: name.into(), topic_id, ..Default::default() }.into());
        let replicas = if name == "c" { vec![1, 2] } else { vec![1] };
        for partition_id in 0..partitions {
            let directories = vec![DISK; replicas.len()];
            let (isr, replicas) = (vec![1], replicas.clone());
            let partition =
                PartitionRecord { partition_id, topic_id, replicas, isr, leader: 1, directories, ..Default::default() };
            records.push(partition.into());
        }
    }
    let mut image = Image::default();
    records.iter().for_each(|record| image.apply(record).expect("the records are in order"));
    image
}

fn broker(broker_id: i32, fenced: bool) -> MetadataRecord {
    let end_point = BrokerEndpoint { name: LISTENER.into(), host: "h".into(), port: 9092, ..Default::default() };
    let (end_points, log_dirs) = (vec![end_point], vec![DISK]);
    RegisterBrokerRecord { broker_id, fenced, end_points, log_dirs, ..Default::default() }.into()
}

/// Asks as `a b @a:1` writes it, and shows the answer: `name:partitions` or `name!code`, then the next cursor.
fn ask(request: &str, limit: usize) -> String {
    let mut asked = DescribeTopicPartitionsRequest::default();
    for word in request.split_whitespace() {
        match word.strip_prefix('@').and_then(|cursor| cursor.split_once(':')) {
            Some((topic, partition)) => {
                let partition_index = partition.parse().expect("a number");
                let cursor = AskedCursor { topic_name: topic.into(), partition_index, ..Default::default() };
                asked.cursor = Some(Box::new(cursor));
            }
            None => asked.topics.push(TopicRequest { name: word.into(), ..Default::default() }),
        }
    }
    show(&page(&image(), LISTENER, &asked, limit))
}

fn show(response: &DescribeTopicPartitionsResponse) -> String {
    let topic = |t: &DescribeTopicPartitionsResponseTopic| {
        let name = t.name.as_deref().unwrap_or("-");
        let partitions: Vec<String> = t.partitions.iter().map(|p| p.partition_index.to_string()).collect();
        match t.error_code {
            0 => format!("{name}:{}", partitions.join(",")),
            code => format!("{name}!{code}"),
        }
    };
    let mut words: Vec<String> = response.topics.iter().map(topic).collect();
    words.extend(response.next_cursor.as_ref().map(|c| format!("@{}:{}", c.topic_name, c.partition_index)));
    words.join(" ")
}

#[test]
fn no_topics_are_all_topics() {
    assert_eq!(ask("", 100), "a:0,1 b:0,1,2 c:0");
}

#[test]
fn topics_come_in_order_and_once() {
    assert_eq!(ask("c a c", 100), "a:0,1 c:0");
    assert_eq!(ask("nope a -!", 100), "-!!17 a:0,1 nope!3");
}

#[test]
fn a_page_ends_where_its_room_ends() {
    assert_eq!(ask("", 3), "a:0,1 b:0 @b:1");
    assert_eq!(ask("", 2), "a:0,1 @b:0");
    assert_eq!(ask("a nope", 2), "a:0,1 @nope:0");
}

#[test]
fn the_next_page_goes_on_from_the_cursor() {
    assert_eq!(ask("@b:1", 100), "b:1,2 c:0");
    assert_eq!(ask("a b @b:1", 1), "b:1 @b:2");
    assert_eq!(ask("@ax:5", 100), "b:0,1,2 c:0");
}

#[test]
fn a_cursor_past_the_end_finds_nothing_more_of_its_topic() {
    assert_eq!(ask("b c @b:2147483647", 1), "b: c:0");
}

#[test]
fn a_cursor_that_cannot_be_refuses_the_request() {
    assert_eq!(ask("a b @z:0", 100), "a!42 b!42");
    assert_eq!(ask("a b @a:-1", 100), "a!42 b!42");
    assert_eq!(ask("@a:-1", 100), "");
}

fn offline(name: &str, listener: &str, mut change: impl FnMut(&mut Partition)) -> (i32, Vec<i32>) {
    let image = image();
    let mut partition = (**image.topics().partition(name, 0).expect("it is there")).clone();
    change(&mut partition);
    let described = describe(&image, listener, 0, &partition);
    (described.leader_id, described.offline_replicas)
}

#[test]
fn replicas_are_offline_with_their_broker_listener_or_disk() {
    assert_eq!(offline("a", LISTENER, |_| ()), (1, vec![]));
    assert_eq!(offline("c", LISTENER, |_| ()), (1, vec![2]));
    assert_eq!(offline("a", "OTHER", |_| ()), (NO_LEADER, vec![1]));
    assert_eq!(offline("a", LISTENER, |p| p.directories = vec![ottla_metadata::image::DIRECTORY_LOST]), (1, vec![1]));
    assert_eq!(offline("a", LISTENER, |p| p.directories = vec![ottla_metadata::image::DIRECTORY_UNASSIGNED]), (1, vec![]));
    assert_eq!(offline("a", LISTENER, |p| p.directories = vec![Uuid::from_bytes([9; 16])]), (1, vec![1]));
    assert_eq!(offline("a", LISTENER, |p| p.replicas = vec![9]), (1, vec![9]));
}
