//! A counter as the smallest machine: replies wait for commit, failures tell nobody anything.

use super::*;

struct Counter;

#[derive(Debug, PartialEq)]
enum Event {
    Add(Ticket, i64),
    Read(Ticket),
    Tick,
}

impl StateMachine for Counter {
    type Hard = i64;
    type Soft = u32;
    type Event = Event;
    type Record = i64;
    type Reply = i64;
    type Effect = &'static str;
    type Timer = u8;

    fn decide(hard: &i64, soft: &mut u32, now: Now, event: Event, out: &mut Outcome<Self>) {
        match event {
            Event::Add(ticket, n) => {
                out.record(n);
                out.reply(ticket, hard + n);
                out.set_timer(1, now.monotonic + Duration::from_secs(1));
            }
            Event::Read(ticket) => out.reply(ticket, *hard),
            Event::Tick => {
                *soft += 1;
                out.effect("ticked");
            }
        }
    }

    fn timeout(_: u8) -> Event {
        Event::Tick
    }

    fn apply(hard: &mut i64, _: i64, record: &i64) {
        *hard += record;
    }
}

fn at(seconds: u64) -> Now {
    Now { monotonic: Duration::from_secs(seconds), wall_ms: 0 }
}

fn active() -> Shard<Counter> {
    let mut shard = Shard::new();
    shard.replay(0, &5);
    assert_eq!(shard.activate(at(0), 1, 1), Vec::<i64>::new());
    shard
}

fn step(shard: &mut Shard<Counter>, event: Event) {
    let records = shard.decide(at(0), event).expect("active");
    let base = shard.applied();
    shard.appended(base, &records);
}

#[test]
fn a_reply_waits_for_its_records() {
    let mut shard = active();
    step(&mut shard, Event::Add(Ticket(1), 2));
    assert_eq!(*shard.hard(), 7);
    assert!(shard.committed(1).replies.is_empty());
    assert_eq!(shard.committed(2).replies, [(Ticket(1), 7)]);
}

#[test]
fn who_waits_for_commit_is_known_with_the_time() {
    let mut shard = active();
    let records = shard.decide(at(3), Event::Add(Ticket(1), 2)).expect("active");
    assert_eq!(shard.parked_since(Ticket(1)), None, "it is not in the log yet");
    shard.appended(1, &records);
    assert_eq!(shard.parked_since(Ticket(1)), Some(Duration::from_secs(3)));
    assert_eq!(shard.parked_since(Ticket(2)), None);
    shard.committed(2);
    assert_eq!(shard.parked_since(Ticket(1)), None);
}

#[test]
fn a_read_waits_for_what_it_saw() {
    let mut shard = active();
    step(&mut shard, Event::Add(Ticket(1), 2));
    step(&mut shard, Event::Read(Ticket(2)));
    assert!(shard.committed(1).replies.is_empty());
    assert_eq!(shard.committed(2).replies, [(Ticket(1), 7), (Ticket(2), 7)]);
}

#[test]
fn no_events_before_activation_nor_after_a_failed_append() {
    let mut shard = Shard::<Counter>::new();
    assert_eq!(shard.decide(at(0), Event::Tick), Err(ShardError::Loading));
    let mut shard = active();
    step(&mut shard, Event::Add(Ticket(1), 2));
    shard.decide(at(0), Event::Add(Ticket(2), 2)).expect("active");
    assert_eq!(shard.append_failed(), [Ticket(1), Ticket(2)]);
    assert_eq!(shard.decide(at(0), Event::Tick), Err(ShardError::Failed));
    assert!(shard.committed(9).replies.is_empty());
}

#[test]
fn a_timer_is_an_event_like_any_other() {
    let mut shard = active();
    step(&mut shard, Event::Add(Ticket(1), 2));
    assert_eq!(shard.next_timeout(), Some(Duration::from_secs(1)));
    assert_eq!(shard.pop_timeout(at(0)), None);
    let event = shard.pop_timeout(at(1)).expect("due");
    step(&mut shard, event);
    assert_eq!(shard.committed(2).effects, ["ticked"]);
    assert_eq!(shard.next_timeout(), None);
}
