//! Scenarios of brokers that come, go, fall silent and lose disks, and of controllers that take over.

use super::{World, check, check_in, world};
use crate::controller::{Activate, Controller, CreateTopics, Event, Reply, Settings};
use crate::{ApiError, MetadataRecord};
use core::time::Duration;
use ottla_protocol::ErrorCode;
use ottla_state_machine::{Now, Shard, Ticket};
use std::sync::Arc;

#[test]
fn a_broker_serves_once_it_has_seen_its_registration() {
    check(
        "register 1 => epoch 9 ok
         heartbeat 1 behind => behind fenced ok
         heartbeat 1 fence => fenced ok
         heartbeat 1 => ok
         heartbeat 1 => ok
         heartbeat 1 epoch=8 => STALE_BROKER_EPOCH: Expected broker epoch 9, but got broker epoch 8
         heartbeat 2 => STALE_BROKER_EPOCH: No broker registration found for broker id 2
         heartbeat 1 fence => fenced ok
         heartbeat 1 => ok",
    )
    .check_replay();
}

#[test]
fn registrations_that_cannot_be_are_refused() {
    check(
        "register 1 cluster=other => INCONSISTENT_CLUSTER_ID: Expected cluster ID cluster, but got cluster ID other
         register 1 dirs=0 => INVALID_REGISTRATION: No directories specified in request
         register 1 mv=29 => UNSUPPORTED_VERSION: Unable to register because the broker does not support finalized version 30 of metadata.version. The broker wants a version between 0 and 29, inclusive.
         register 1 mv=none => INVALID_REGISTRATION: Request features do not contain 'metadata.version'
         register 1
         register 1 => epoch 10 ok
         heartbeat 1 fence => fenced ok
         register 1 => DUPLICATE_BROKER_REGISTRATION: Another broker is registered with that broker id. If the broker was recently restarted this should self-resolve once the heartbeat manager expires the broker's session.
         wait 9000
         register 1 => epoch 11 ok
         register 1 again => epoch 11 ok",
    );
}

#[test]
fn a_silent_broker_is_fenced() {
    check(
        "broker 1
         broker 2
         create a at=1,2 min.insync.replicas=1
         wait 5000
         heartbeat 2
         wait 4000
         show a => 1,2 led by 2@1 isr 2
         heartbeat 1 => ok
         show a => 1,2 led by 2@1 isr 2",
    )
    .check_replay();
}

#[test]
fn the_only_replica_leads_again_after_a_crash() {
    check(
        "broker 1
         create a p=1
         wait 9000
         show a => 1 led by -1@1 isr  elr 1 last 1
         broker 1
         show a => 1 led by 1@2 isr 1 recovering",
    );
    let mut world = check("broker 1\n create a p=1");
    restart(&mut world);
    check_in(
        &mut world,
        "register 1
         show a => 1 led by -1@1 isr  last 1
         heartbeat 1 => ok
         show a => 1 led by 1@2 isr 1 recovering
         create b => b: 2x1 ok",
    );
    world.check_replay();
}

#[test]
fn after_an_orderly_stop_nothing_is_doubted() {
    let mut world = check(
        "broker 1
         create a p=1
         heartbeat 1 stop => ok
         show a => 1 led by -1@1 isr  elr 1 last 1
         heartbeat 1 stop => fenced stop ok",
    );
    restart(&mut world);
    check_in(
        &mut world,
        "register 1 clean
         show a => 1 led by -1@1 isr  elr 1 last 1
         heartbeat 1 => ok
         show a => 1 led by 1@2 isr 1",
    );
    world.check_replay();
}

#[test]
fn a_stopping_broker_hands_over_first() {
    check(
        "broker 1
         broker 2
         create a at=1,2 + b at=2,1
         heartbeat 1 stop => ok
         show a => 1,2 led by 2@1 isr 2
         show b => 2,1 led by 2@0 isr 2
         heartbeat 1 stop => ok
         create d p=1 rf=2 => d: INVALID_REPLICATION_FACTOR: Unable to replicate the partition 2 time(s): The target replication factor of 2 cannot be reached because only 1 broker(s) are registered or some brokers have all their log directories cordoned.
         heartbeat 2
         heartbeat 1 stop => fenced stop ok
         create d p=1 rf=2 => d: 1x2 ok
         show d => 2,1 led by 2@0 isr 2
         create c at=1 => c: INVALID_REPLICA_ASSIGNMENT: All brokers specified in the manual partition assignment for partition 0 are fenced or in controlled shutdown.
         heartbeat 2 stop => ok
         heartbeat 2 stop => fenced stop ok
         show a => 1,2 led by -1@2 isr  elr 2 last 2",
    )
    .check_replay();
}

#[test]
fn a_late_heartbeat_does_not_bring_back_who_was_told_to_stop() {
    let mut world = check(
        "broker 1
         broker 2
         broker 3
         create a at=1,2
         heartbeat 3 stop => fenced stop ok
         heartbeat 3 => fenced ok
         heartbeat 1 stop => ok
         heartbeat 2
         heartbeat 1 stop => fenced stop ok
         heartbeat 1 => fenced ok",
    );
    restart(&mut world);
    check_in(
        &mut world,
        "heartbeat 1 => fenced ok
         wait 9000
         register 1 clean
         heartbeat 1 => ok",
    );
    world.check_replay();
}

#[test]
fn eligible_replicas_lead_when_nobody_is_in_sync() {
    check(
        "broker 1
         broker 2
         alter broker: min.insync.replicas=2
         create a at=1,2
         heartbeat 1 fence => fenced ok
         show a => 1,2 led by 2@1 isr 2 elr 1
         heartbeat 2 fence => fenced ok
         show a => 1,2 led by -1@2 isr  elr 1,2 last 2
         heartbeat 1 => ok
         show a => 1,2 led by 1@3 isr 1 elr 2",
    )
    .check_replay();
}

#[test]
fn without_eligible_replicas_the_last_one_in_sync_is_waited_for() {
    let mut world = World::new(22);
    check_in(
        &mut world,
        "broker 1
         broker 2
         create a at=1,2 + b at=1,2 unclean.leader.election.enable=true
         heartbeat 1 fence => fenced ok
         heartbeat 2 fence => fenced ok
         show a => 1,2 led by -1@2 isr 2
         heartbeat 1 => ok
         show a => 1,2 led by -1@2 isr 2
         show b => 1,2 led by 1@3 isr 1 recovering",
    );
    world.check_replay();
}

#[test]
fn a_broker_is_forgotten() {
    check(
        "broker 1
         broker 2
         create a at=1,2
         unregister 1 => ok
         show a => 1,2 led by 2@1 isr 2
         unregister 1 => BROKER_ID_NOT_REGISTERED: Broker ID 1 is not currently registered
         heartbeat 1 => STALE_BROKER_EPOCH: No broker registration found for broker id 1",
    )
    .check_replay();
}

#[test]
fn partitions_on_a_failed_disk_lose_their_leader() {
    let world = check(
        "broker 1 dirs=2
         broker 2
         create a at=1,2
         heartbeat 1 lost=0 => ok
         heartbeat 1 lost=0 => ok",
    );
    // The replica was not placed yet: it is on no disk that could fail.
    assert_eq!(world.image().topics().partition("a", 0).unwrap().leader, 1);
    assert_eq!(world.image().cluster().broker(1).unwrap().log_dirs.len(), 1);
    world.check_replay();
}

#[test]
fn producer_ids_are_given_once() {
    check(
        "producer-ids 1 => STALE_BROKER_EPOCH: No broker registration found for broker id 1
         broker 1
         producer-ids 1 => 0+1000
         producer-ids 1 => 1000+1000
         producer-ids 1 epoch=0 => STALE_BROKER_EPOCH: Expected broker epoch 9, but got broker epoch 0
         producer-ids 1 => 2000+1000",
    )
    .check_replay();
}

#[test]
fn another_controller_waits_for_brokers_it_has_not_heard_of() {
    let mut world = check("broker 1\n broker 2\n create a at=2,1");
    restart(&mut world);
    check_in(
        &mut world,
        "register 2 => DUPLICATE_BROKER_REGISTRATION: Another broker is registered with that broker id. If the broker was recently restarted this should self-resolve once the heartbeat manager expires the broker's session.
         broker 1
         wait 5000
         heartbeat 1
         wait 4000
         show a => 2,1 led by -1@1 isr  elr 2 last 2",
    );
    world.check_replay();
}

#[test]
fn controllers_register_where_they_can() {
    check("controller 7 => ok").check_replay();
    let mut old = World::new(14);
    check_in(
        &mut old,
        "controller 7 => UNSUPPORTED_VERSION: The current MetadataVersion is too old to support controller registrations.",
    );
}

/// The controller's process ends and another takes its log up.
fn restart(world: &mut World) {
    *world = world.restarted();
}

#[test]
fn nothing_is_decided_before_activation() {
    let mut shard = Shard::<Controller>::new();
    shard.activate(Now::default(), 0, 0);
    let records = shard.decide(Now::default(), Event::CreateTopics(Ticket(1), CreateTopics::default()));
    assert_eq!(records, Ok(vec![]));
    shard.appended(0, &[]);
    let replies = shard.committed(0).replies;
    let expected = Reply::CreateTopics(Err(ApiError::bare(ErrorCode::NotController)));
    assert_eq!(replies, vec![(Ticket(1), expected)]);
}

fn activate(shard: &mut Shard<Controller>, bootstrap: Vec<MetadataRecord>) -> (Vec<&'static str>, Reply) {
    let event = Event::Activate(Ticket(1), Activate { settings: world::settings(), bootstrap });
    let records = shard.decide(Now::default(), event).unwrap();
    shard.appended(shard.applied(), &records);
    let reply = shard.committed(i64::MAX).replies.pop().unwrap().1;
    (records.iter().map(MetadataRecord::name).collect(), reply)
}

#[test]
fn an_open_transaction_is_aborted() {
    let whole = World::new(30);
    let bootstrap = || whole.log()[1..7].to_vec();
    // The controller before failed while it wrote the bootstrap records.
    let mut shard = Shard::<Controller>::new();
    for (offset, record) in (0..).zip(&whole.log()[..3]) {
        shard.replay(offset, record);
    }
    shard.activate(Now::default(), 3, 3);
    let (records, reply) = activate(&mut shard, bootstrap());
    assert_eq!(records[..2], ["AbortTransactionRecord", "BeginTransactionRecord"]);
    assert_eq!(reply, Reply::Activate(Ok(())));
    assert_eq!(shard.hard().image().features(), whole.image().features());

    let mut shard = Shard::<Controller>::new();
    for (offset, record) in (0..).zip(whole.log().iter().chain(&whole.log()[..1])) {
        shard.replay(offset, record);
    }
    shard.activate(Now::default(), 10, 10);
    assert_eq!(activate(&mut shard, bootstrap()).0, ["AbortTransactionRecord"]);
    assert!(!shard.hard().image().in_transaction());
}

#[test]
fn a_log_that_cannot_be_is_not_served_on() {
    let world = check("broker 1\n create a p=1");
    let mut shard = Shard::<Controller>::new();
    let without_topic = world.log().iter().filter(|r| !matches!(r, MetadataRecord::Topic(_)));
    for (offset, record) in (0..).zip(without_topic) {
        shard.replay(offset, record);
    }
    shard.activate(Now::default(), 20, 20);
    let (records, reply) = activate(&mut shard, vec![]);
    assert_eq!(records, Vec::<&str>::new());
    let Reply::Activate(Err(error)) = reply else { panic!("{reply:?}") };
    assert_eq!(
        error.to_string(),
        "UNKNOWN_SERVER_ERROR: PartitionRecord names topic id AQEBAQEBAQEBAQEBAQEBAQ, which does not exist"
    );
}

#[test]
fn a_broker_tells_where_its_replicas_are() {
    check(
        "register 1 dirs=2
         heartbeat 1
         create a p=1
         assign a-0 1 0 epoch=8 => STALE_BROKER_EPOCH: Expected broker epoch 9, but got broker epoch 8
         assign a-1 1 0 => UNKNOWN_TOPIC_OR_PARTITION
         assign b-0 1 0 => UNKNOWN_TOPIC_ID
         assign a-0 1 0 => ok
         assign a-0 1 0 => ok
         assign a-0 1 1 => ok
         show a => 1 led by 1@0 isr 1
         heartbeat 1 lost=1
         show a => 1 led by -1@1 isr  elr 1 last 1
         assign a-0 1 0 => ok
         show a => 1 led by -1@1 isr  elr 1 last 1",
    )
    .check_replay();
}

#[test]
fn a_replica_in_a_directory_that_failed_does_not_lead() {
    check(
        "register 1 dirs=2
         heartbeat 1
         create a p=1
         heartbeat 1 lost=1
         show a => 1 led by 1@0 isr 1
         assign a-0 1 1 => ok
         show a => 1 led by -1@1 isr  elr 1 last 1
         wait 9000
         register 1 dirs=1
         heartbeat 1 => ok
         show a => 1 led by -1@1 isr  last 1
         wait 9000
         register 1 dirs=2
         heartbeat 1 => ok
         show a => 1 led by 1@2 isr 1 recovering",
    )
    .check_replay();
}

#[test]
fn a_broker_gets_nothing_new_while_all_its_directories_are_cordoned() {
    check(
        "register 1 dirs=2
         heartbeat 1 cordoned= => ok
         heartbeat 1 cordoned=1 => ok
         create a => a: 2x1 ok
         heartbeat 1 cordoned=1,0 => ok
         create b => b: INVALID_REPLICATION_FACTOR: Unable to replicate the partition 1 time(s): All brokers are currently fenced, or have all their log directories cordoned.
         grow a 3 => a: INVALID_REPLICATION_FACTOR: All brokers are currently fenced, or have all their log directories cordoned.
         create c at=1 => c: 1x1 ok
         heartbeat 1 => ok
         create b => b: INVALID_REPLICATION_FACTOR: Unable to replicate the partition 1 time(s): All brokers are currently fenced, or have all their log directories cordoned.
         heartbeat 1 cordoned= => ok
         create b => b: 2x1 ok",
    )
    .check_replay();
}

#[test]
fn what_is_known_of_directories_is_not_written_again() {
    let mut world =
        check("register 1 dirs=2\n heartbeat 1 cordoned=\n create a p=1\n assign a-0 1 0\n heartbeat 1 cordoned=1,0");
    let written = world.log().len();
    check_in(&mut world, "assign a-0 1 0 => ok\n heartbeat 1 cordoned=0,1 => ok");
    assert_eq!(world.log().len(), written);
}

#[test]
fn an_idle_controller_writes_only_if_it_is_asked_to() {
    let mut world = World::new(30);
    let written = |world: &World| world.log().iter().filter(|r| matches!(r, MetadataRecord::NoOp(_))).count();
    world.run("wait 5000");
    assert_eq!(written(&world), 0);
    let settings = Settings { max_idle_interval: Some(Duration::from_millis(500)), ..(*world::settings()).clone() };
    let activate = Activate { settings: Arc::new(settings), bootstrap: vec![] };
    world.decide(|t| Event::Activate(t, activate));
    (0..3).for_each(|_| _ = world.run("wait 600"));
    assert_eq!(written(&world), 3);
    world.check_replay();
}
