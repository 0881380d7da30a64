//! What is refused because of its size.

use super::world::World;
use crate::*;
use ottla_protocol::{Bytes, ErrorCode, Str};
use ottla_state_machine::Ticket;

fn request(group_id: Str) -> JoinGroup {
    JoinGroup {
        group_id,
        client_id: Str::from("c"),
        member_id_suffix: Str::from("1"),
        session_timeout_ms: 10_000,
        protocol_type: Str::from("consumer"),
        protocols: vec![Protocol { name: Str::from("range"), metadata: Bytes::new() }],
        ..JoinGroup::default()
    }
}

fn check(request: JoinGroup, expected: ErrorCode) {
    let mut world = World::new();
    world.ask(1, Event::JoinGroup(Ticket(1), request));
    world.wait(3_000);
    let code = match world.replies.as_slice() {
        [(1, Reply::JoinGroup(joined))] => {
            joined.as_ref().map_or_else(|refused| refused.error.code(), |_| ErrorCode::None)
        }
        other => panic!("one answer is expected, not {other:?}"),
    };
    assert_eq!(code, expected);
}

fn long(length: usize) -> Str {
    Str::from("x".repeat(length))
}

#[test]
fn names_and_metadata_have_limits() {
    let group = || Str::from("g");
    check(request(long(32_767)), ErrorCode::None);
    check(request(long(32_768)), ErrorCode::InvalidGroupId);
    check(JoinGroup { client_id: long(32_704), ..request(group()) }, ErrorCode::InvalidRequest);
    check(JoinGroup { group_instance_id: Some(long(32_704)), ..request(group()) }, ErrorCode::InvalidRequest);
    let protocols = |name, size| vec![Protocol { name, metadata: Bytes::from(vec![0; size]) }];
    check(JoinGroup { protocols: protocols(group(), 1_048_400), ..request(group()) }, ErrorCode::None);
    check(JoinGroup { protocols: protocols(group(), 1_048_576), ..request(group()) }, ErrorCode::MessageTooLarge);
    check(JoinGroup { protocols: protocols(long(40_000), 0), ..request(group()) }, ErrorCode::InvalidRequest);
}

#[test]
fn a_group_too_large_for_a_batch_is_not_stored() {
    super::check(
        "
        > set max_batch=360
        > join 1 g - v=3
        > join 2 g - v=3
        > wait 6000
        1: joined c-1 gen=1 range leader=c-1 c-1:t c-2:t
        2: joined c-2 gen=1 range leader=c-1
        > sync 3 g c-2
        > sync 4 g c-1 assign=c-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
        4: UNKNOWN_SERVER_ERROR
        3: UNKNOWN_SERVER_ERROR
        > heartbeat 5 g c-1
        5: REBALANCE_IN_PROGRESS
        > commit 6 h - t-0=1 t-1=2 t-2=3
        6: UNKNOWN_SERVER_ERROR
        > commit 7 h - t-0=1
        7: t-0=ok
        > list 8
        8: g:consumer:PreparingRebalance:classic h::Empty:classic
        ",
    );
}

#[test]
fn pending_members_have_a_limit() {
    let mut world = World::new();
    for number in 0..=10_000 {
        let suffix = Str::from(number.to_string());
        let request = JoinGroup { member_id_suffix: suffix, require_known_member_id: true, ..request(Str::from("g")) };
        world.ask(number, Event::JoinGroup(Ticket(number), request));
    }
    let code = |(_, reply): &(u64, Reply)| match reply {
        Reply::JoinGroup(Err(refused)) => refused.error.code(),
        other => panic!("{other:?}"),
    };
    let codes: Vec<ErrorCode> = world.replies.iter().map(code).collect();
    let (last, others) = codes.split_last().unwrap();
    assert!(others.iter().all(|code| *code == ErrorCode::MemberIdRequired));
    assert_eq!(*last, ErrorCode::CoordinatorNotAvailable);
}
