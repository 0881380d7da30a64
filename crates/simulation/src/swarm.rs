//! What a seed's world is like: each option is drawn, and many faults are off in many worlds, as most bugs need few of them.

use crate::random::Random;
use core::time::Duration;

/// The options of one world.
#[derive(Clone, Debug)]
pub struct Swarm {
    /// Brokers there are.
    pub brokers: i32,
    /// Partitions of the one topic.
    pub partitions: i32,
    /// Replicas of each.
    pub replication_factor: usize,
    /// `min.insync.replicas`.
    pub min_insync_replicas: usize,
    /// Whether eligible leader replicas are kept (KIP-966).
    pub eligible_leader_replicas: bool,
    /// Messages that are lost, of a thousand.
    pub loss: u64,
    /// Messages that come twice, of a thousand.
    pub duplication: u64,
    /// The longest that a message takes, most of the time.
    pub delay: Duration,
    /// Messages that take very long, of a thousand.
    pub stragglers: u64,
    /// The longest that a sync takes.
    pub sync_time: Duration,
    /// How often a broker is killed, on average; none for never.
    pub crash_every: Option<Duration>,
    /// How often a broker is stopped in order, on average.
    pub stop_every: Option<Duration>,
    /// How often the network is cut somewhere, on average.
    pub cut_every: Option<Duration>,
    /// How often a broker stands still for a while, on average.
    pub pause_every: Option<Duration>,
    /// Controllers that found the quorum.
    pub controllers: i32,
    /// Controllers that may join it.
    pub spare_controllers: i32,
    /// How often a controller is killed, its disk fails or it dies while it writes, on average.
    pub failover_every: Option<Duration>,
    /// How often a controller is stopped in order, hands its leadership over or stands still, on average.
    pub controller_rest_every: Option<Duration>,
    /// How often a controller makes a snapshot, on average.
    pub snapshot_every: Option<Duration>,
    /// How often somebody adds, promotes or removes a controller, on average.
    pub change_voters_every: Option<Duration>,
    /// How often the disk of a controller is replaced, or what follows from that is done, on average.
    pub wipe_every: Option<Duration>,
    /// How often a broker's disk becomes short of room for a while, on average.
    pub short_every: Option<Duration>,
    /// How often somebody moves partitions or elects leaders, on average.
    pub admin_every: Option<Duration>,
    /// How often a value is produced, on average.
    pub produce_every: Duration,
}

/// What is drawn from a source of its own came later: the other options of a seed stay what they were.
const LATER: u64 = 0x5af0_0d15;

impl Swarm {
    /// Draws the world of a seed.
    pub fn draw(seed: u64, random: &mut Random) -> Self {
        let brokers = random.between(3, 5);
        let replication_factor = random.between(2, 3);
        let mut sometimes = |chance: u64, low_ms: u64, high_ms: u64| {
            let every = Duration::from_millis(random.between(low_ms, high_ms));
            random.permille(chance).then_some(every)
        };
        let crash_every = sometimes(700, 3_000, 20_000);
        let stop_every = sometimes(500, 5_000, 20_000);
        let cut_every = sometimes(500, 2_000, 15_000);
        let pause_every = sometimes(400, 3_000, 15_000);
        let failover_every = sometimes(400, 5_000, 20_000);
        let admin_every = sometimes(500, 1_000, 10_000);
        let controller_rest_every = sometimes(400, 3_000, 20_000);
        let snapshot_every = sometimes(700, 500, 10_000);
        let change_voters_every = sometimes(300, 300, 5_000);
        let wipe_every = sometimes(300, 300, 5_000);
        let mut later = Random::new(seed ^ LATER);
        let short_every = Duration::from_millis(later.between(2_000, 15_000));
        let short_every = later.permille(300).then_some(short_every);
        let lossy = random.permille(500);
        let controllers = random.pick(&[1, 1, 3, 3, 3, 5]).unwrap_or(1);
        Self {
            brokers: i32::try_from(brokers).unwrap_or(3),
            partitions: i32::try_from(random.between(1, 3)).unwrap_or(1),
            replication_factor: usize::try_from(replication_factor).unwrap_or(2),
            min_insync_replicas: usize::try_from(random.between(1, 2)).unwrap_or(1),
            eligible_leader_replicas: random.permille(700),
            loss: if lossy { random.below(200) } else { 0 },
            duplication: if lossy { random.below(100) } else { 0 },
            delay: Duration::from_micros(random.between(200, 30_000)),
            stragglers: if random.permille(500) { random.below(30) } else { 0 },
            sync_time: Duration::from_micros(random.between(100, 20_000)),
            crash_every,
            stop_every,
            cut_every,
            pause_every,
            failover_every,
            controllers,
            spare_controllers: if change_voters_every.is_some() { 2 } else { 0 },
            controller_rest_every,
            snapshot_every,
            change_voters_every,
            // One at a time, and the others must be able to go on: else there is nothing that a quorum could do.
            wipe_every: wipe_every.filter(|_| change_voters_every.is_none() && controllers > 1),
            short_every,
            admin_every,
            produce_every: Duration::from_millis(random.between(5, 100)),
        }
    }
}
