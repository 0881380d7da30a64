//! A controller with its log in memory, spoken to in text.

use crate::bootstrap::Bootstrap;
use crate::controller::*;
use crate::image::{BrokerFeature, Endpoint};
use crate::{ConfigResource, Image, MetadataRecord, ResourceType, features, snapshot};
use core::time::Duration;
use ottla_protocol::Uuid;
use ottla_state_machine::Shard;

/// Topics know two configs; the others take anything.
struct Schema;

impl ConfigSchema for Schema {
    fn is_list(&self, _kind: ResourceType, name: &str) -> bool {
        matches!(name, "cleanup.policy" | "log.cleanup.policy")
    }

    fn default_value(&self, kind: ResourceType, name: &str) -> Option<String> {
        (kind == ResourceType::Topic && name == "cleanup.policy").then(|| "delete".to_owned())
    }

    fn validate(
        &self,
        resource: &ConfigResource,
        new: &BTreeMap<Str, Str>,
        _old: &BTreeMap<Str, Str>,
    ) -> Result<(), ApiError> {
        let known = ["cleanup.policy", "retention.ms", "min.insync.replicas", "unclean.leader.election.enable"];
        let unknown = new.keys().find(|name| !known.contains(&name.as_str()));
        match unknown.filter(|_| resource.kind == ResourceType::Topic) {
            Some(name) => Err(ApiError::invalid_config(format!("Unknown topic config name: {name}"))),
            None => Ok(()),
        }
    }
}

pub(in crate::controller) struct World {
    shard: Shard<Controller>,
    log: Vec<MetadataRecord>,
    now: Now,
    tickets: u64,
    ids: u8,
    incarnations: u8,
}

impl World {
    /// A cluster at a level of `metadata.version`, without brokers.
    pub(in crate::controller) fn new(level: i16) -> Self {
        let mut shard = Shard::new();
        shard.activate(Now::default(), 0, 0);
        let mut world = Self { shard, log: vec![], now: Now::default(), tickets: 0, ids: 0, incarnations: 0 };
        let features = [(MetadataVersion::FEATURE_NAME.to_owned(), level)];
        let bootstrap = Bootstrap { features: &features, dynamic_quorum: true, ..Default::default() };
        let bootstrap = bootstrap.levels().unwrap().records();
        let activate = Activate { settings: settings(), bootstrap };
        assert_eq!(world.decide(|t| Event::Activate(t, activate)), Some(Reply::Activate(Ok(()))));
        world
    }

    pub(in crate::controller) fn image(&self) -> &Image {
        self.shard.hard().image()
    }

    pub(in crate::controller) fn log(&self) -> &[MetadataRecord] {
        &self.log
    }

    /// Appends what is decided, as a driver does, through the bytes of the log.
    pub(in crate::controller) fn decide(&mut self, event: impl FnOnce(Ticket) -> Event) -> Option<Reply> {
        self.tickets += 1;
        let event = event(Ticket(self.tickets));
        let records = self.shard.decide(self.now, event).unwrap();
        let version = self.shard.hard().metadata_version();
        let stored = |r: &MetadataRecord| MetadataRecord::decode(r.encode(version).unwrap()).unwrap();
        let records: Vec<_> = records.iter().map(stored).collect();
        self.shard.appended(self.end(), &records);
        assert_eq!(self.shard.hard().fault(), None);
        self.log.extend(records);
        let mut replies = self.shard.committed(self.end()).replies;
        assert!(replies.len() <= 1);
        replies.pop().map(|(ticket, reply)| {
            assert_eq!(ticket, Ticket(self.tickets));
            reply
        })
    }

    /// The same log in a new controller, which has heard of no broker.
    pub(in crate::controller) fn restarted(&self) -> Self {
        let mut shard = Shard::new();
        for (offset, record) in (0..).zip(&self.log) {
            shard.replay(offset, record);
        }
        shard.activate(self.now, self.end(), self.end());
        let log = self.log.clone();
        let mut world = Self { shard, log, ..*self };
        let activate = Activate { settings: settings(), bootstrap: vec![] };
        world.decide(|t| Event::Activate(t, activate));
        assert_eq!(world.log.len(), self.log.len());
        world
    }

    fn end(&self) -> i64 {
        i64::try_from(self.log.len()).unwrap()
    }

    /// What a new controller makes of the same log, and what one makes of the image's checkpoint.
    pub(in crate::controller) fn check_replay(&self) {
        let mut replayed = Shard::<Controller>::new();
        for (offset, record) in (0..).zip(&self.log) {
            replayed.replay(offset, record);
        }
        let hard = self.shard.hard();
        assert_eq!(replayed.hard().image(), hard.image());
        assert_eq!(replayed.hard().unified_names, hard.unified_names);
        assert_eq!(replayed.hard().registered_at, hard.registered_at);
        let mut loaded = Image::default();
        for value in snapshot::encoded(hard.image()).unwrap() {
            loaded.apply(&MetadataRecord::decode(value).unwrap()).unwrap();
        }
        loaded.advance(hard.image().offset(), hard.image().epoch());
        assert_eq!(&loaded, hard.image());
    }

    fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_bytes([self.ids; 16])
    }

    /// Runs an event told in text; see the scenarios.
    pub(in crate::controller) fn run(&mut self, event: &str) -> String {
        let (verb, rest) = event.split_once(' ').unwrap_or((event, ""));
        match verb {
            "broker" => {
                self.run(&format!("register {rest}"));
                self.run(&format!("heartbeat {rest}"))
            }
            "register" => self.register(rest),
            "heartbeat" => self.heartbeat(rest),
            "controller" => self.controller(number(rest)),
            "assign" => self.assign(rest),
            "isr" => self.alter_partition(rest),
            "elect" => self.elect(rest),
            "reassign" => self.reassign(rest),
            "reassigning" => self.reassigning(rest),
            "feature" | "would-feature" => self.feature(rest, verb != "feature"),
            "levels" => self.levels(),
            "unregister" => self.reply(|t| Event::UnregisterBroker(t, UnregisterBroker { broker_id: number(rest) })),
            "create" | "would-create" => self.create(rest, verb != "create"),
            "delete" => self.delete(rest),
            "grow" | "would-grow" => self.grow(rest, verb != "grow"),
            "alter" | "would-alter" => self.alter(rest, Some(1), verb != "alter"),
            "alter-here" => self.alter(rest, None, false),
            "replace" => self.replace(rest, Some(1)),
            "replace-here" => self.replace(rest, None),
            "producer-ids" => self.producer_ids(rest),
            "wait" => self.wait(number(rest)),
            "show" => self.show(rest),
            "configs" => self.configs(rest),
            _ => panic!("no such event: {event}"),
        }
    }

    fn reply(&mut self, event: impl FnOnce(Ticket) -> Event) -> String {
        let reply = self.decide(event).expect("a reply");
        match reply {
            Reply::CreateTopics(Ok(topics)) => join(topics, |t| {
                let made = |c: CreatedTopic| format!("{}x{} ok", c.num_partitions, c.replication_factor);
                format!("{}: {}", t.name, t.result.map_or_else(|e| e.to_string(), made))
            }),
            Reply::DeleteTopics(Ok(topics)) => join(topics, |t| {
                let id = match (&t.name, t.topic_id.is_zero()) {
                    (None, _) => format!("{}", t.topic_id.as_bytes()[0]),
                    (Some(name), true) => name.to_string(),
                    (Some(name), false) => format!("{name}/{}", t.topic_id.as_bytes()[0]),
                };
                format!("{id}: {}", outcome(t.result))
            }),
            Reply::CreatePartitions(Ok(topics)) => join(topics, |t| format!("{}: {}", t.name, outcome(t.result))),
            Reply::IncrementalAlterConfigs(Ok(all)) | Reply::AlterConfigs(Ok(all)) => {
                join(all, |r| format!("{}: {}", r.resource_name, outcome(r.result)))
            }
            Reply::AssignReplicas(Ok(codes)) => join(codes, |code| match code {
                ErrorCode::None => "ok".to_owned(),
                code => ApiError::bare(code).to_string(),
            }),
            Reply::AssignReplicas(Err(e)) => e.to_string(),
            Reply::AlterPartition(Ok(all)) => join(all, |result| match result {
                Ok(p) => format!("epoch {} isr {} ok", p.partition_epoch, list(&p.isr)),
                Err(code) => ApiError::bare(code).to_string(),
            }),
            Reply::ElectLeaders(Ok(topics)) => join(topics, |(name, partitions)| {
                join(partitions, |p| format!("{name}-{}: {}", p.partition, outcome(p.result)))
            }),
            Reply::Reassign(Ok(topics)) => join(topics, |(name, partitions)| {
                join(partitions, |p| format!("{name}-{}: {}", p.partition, outcome(p.result)))
            }),
            Reply::ListReassignments(Ok(topics)) => join(topics, |(name, partitions)| {
                join(partitions, |(number, p)| {
                    let (adding, removing) = (list(&p.adding_replicas), list(&p.removing_replicas));
                    format!("{name}-{number}: {} adding {adding} removing {removing}", list(&p.replicas))
                })
            }),
            Reply::AlterPartition(Err(e))
            | Reply::ElectLeaders(Err(e))
            | Reply::Reassign(Err(e))
            | Reply::ListReassignments(Err(e)) => e.to_string(),
            Reply::AllocateProducerIds(Ok(block)) => format!("{}+{}", block.first_producer_id, block.size),
            Reply::RegisterBroker(Ok(epoch)) => format!("epoch {epoch} ok"),
            Reply::BrokerHeartbeat(Ok(s)) => {
                let told = [(!s.is_caught_up, "behind "), (s.is_fenced, "fenced "), (s.should_shut_down, "stop ")];
                told.iter().filter(|(is, _)| *is).map(|(_, what)| *what).collect::<String>() + "ok"
            }
            Reply::Activate(r)
            | Reply::UnregisterBroker(r)
            | Reply::RegisterController(r)
            | Reply::UpdateFeatures(r) => outcome(r),
            Reply::CreateTopics(Err(e)) | Reply::DeleteTopics(Err(e)) | Reply::CreatePartitions(Err(e)) => {
                format!("all: {e}")
            }
            Reply::IncrementalAlterConfigs(Err(e)) | Reply::AlterConfigs(Err(e)) => format!("all: {e}"),
            Reply::AllocateProducerIds(Err(e)) | Reply::RegisterBroker(Err(e)) | Reply::BrokerHeartbeat(Err(e)) => {
                e.to_string()
            }
        }
    }

    /// `ID [rack=R] [dirs=N] [clean] [again] [cluster=C] [mv=N]`; `again` is the same run of the process.
    fn register(&mut self, text: &str) -> String {
        let (id, options) = Options::of(text);
        let broker_id = number(id);
        if !options.has("again") {
            self.incarnations += 1;
        }
        let dirs = options.get("dirs").map_or(1, number);
        let dir = |n| directory(broker_id, n);
        let previous = self.image().cluster().broker(broker_id).map_or(-1, |b| b.epoch);
        let endpoint =
            |name| Endpoint { name: Str::from_static(name), host: "h".into(), port: 9092, security_protocol: 0 };
        let feature = |name: &'static str, max| BrokerFeature {
            name: Str::from_static(name),
            min_supported_version: 0,
            max_supported_version: max,
        };
        let mut supported: Vec<_> = features::FEATURES.iter().map(|f| feature(f.name, f.latest)).collect();
        match options.get("mv") {
            Some("none") => {}
            level => supported.push(feature(MetadataVersion::FEATURE_NAME, level.map_or(30, |l| number(l) as i16))),
        }
        let event = RegisterBroker {
            broker_id,
            cluster_id: options.get("cluster").unwrap_or("cluster").into(),
            incarnation_id: Uuid::from_bytes([self.incarnations; 16]),
            previous_broker_epoch: if options.has("clean") { previous } else { -1 },
            listeners: vec![endpoint("SSL"), endpoint("PLAINTEXT")],
            features: supported,
            rack: options.get("rack").map(Str::from),
            log_dirs: (0..dirs).map(dir).collect(),
            cordoned_log_dirs: vec![],
        };
        self.reply(|t| Event::RegisterBroker(t, event))
    }

    /// `TOPIC-PARTITION ID DIR [epoch=N]`, where `DIR` is the number of a directory.
    fn assign(&mut self, text: &str) -> String {
        let (name, options) = Options::of(text);
        let (topic, partition) = partition_of(name);
        let (broker_id, dir) = (number(options.0[0]), number(options.0[1]));
        let epoch = self.image().cluster().broker(broker_id).map_or(0, |b| b.epoch);
        let broker_epoch = options.get("epoch").map_or(epoch, |e| number(e).into());
        let topic_id = self.image().topics().by_name(topic).map_or(Uuid::ZERO, |t| t.id);
        let assignment = Assignment { directory: directory(broker_id, dir), topic_id, partition };
        let event = AssignReplicas { broker_id, broker_epoch, assignments: vec![assignment] };
        self.reply(|t| Event::AssignReplicas(t, event))
    }

    /// `TOPIC-PARTITION LEADER ID,ID@EPOCH [leader-epoch=N] [epoch=N] [broker-epoch=N] [recovering]`; what is not told is as
    /// the controller has it.
    fn alter_partition(&mut self, text: &str) -> String {
        let (name, options) = Options::of(text);
        let (topic, partition) = partition_of(name);
        let image = self.image();
        let known = image.topics().by_name(topic);
        let p = known.and_then(|t| t.partitions.get(&partition)).map(|p| (**p).clone()).unwrap_or_default();
        let epoch_of = |id| image.cluster().broker(id).map_or(-1, |b| b.epoch);
        let member = |text: &str| {
            let (id, epoch) = text.split_once('@').unwrap_or((text, ""));
            let id = number(id);
            IsrMember { broker_id: id, broker_epoch: epoch.parse().unwrap_or_else(|_| epoch_of(id)) }
        };
        let broker_id = number(options.0[0]);
        let change = IsrChange {
            topic_id: known.map_or(Uuid::ZERO, |t| t.id),
            partition,
            leader_epoch: options.get("leader-epoch").map_or(p.leader_epoch, number),
            partition_epoch: options.get("epoch").map_or(p.partition_epoch, number),
            isr: options.0[1].split(',').filter(|id| !id.is_empty()).map(member).collect(),
            leader_recovery_state: i8::from(options.has("recovering")),
        };
        let broker_epoch = options.get("broker-epoch").map_or(epoch_of(broker_id), |n| number(n).into());
        let event = AlterPartition { broker_id, broker_epoch, partitions: vec![change] };
        self.reply(|t| Event::AlterPartition(t, event))
    }

    /// `preferred|unclean [TOPIC-PARTITION …]`; none means all.
    fn elect(&mut self, text: &str) -> String {
        let (kind, options) = Options::of(text);
        let kind = match kind {
            "preferred" => ElectionKind::Preferred,
            _ => ElectionKind::Unclean,
        };
        let one = |text: &&str| {
            let (topic, partition) = partition_of(text);
            (Str::from(topic), vec![partition])
        };
        let topics = (!options.0.is_empty()).then(|| options.0.iter().map(one).collect());
        self.reply(|t| Event::ElectLeaders(t, ElectLeaders { kind, topics }))
    }

    /// `TOPIC-PARTITION IDS|back [same-factor]`; partitions are parted by ` + `.
    fn reassign(&mut self, text: &str) -> String {
        let one = |text: &str| {
            let (name, options) = Options::of(text);
            let (topic, partition) = partition_of(name);
            let replicas = match options.0[0] {
                "back" => None,
                ids => assignments(Some(ids)).and_then(|mut all| all.pop()),
            };
            (topic.into(), vec![Reassignment { partition, replicas }])
        };
        let event = Reassign {
            topics: text.split(" + ").map(one).collect(),
            allow_replication_factor_change: !text.ends_with("same-factor"),
        };
        self.reply(|t| Event::Reassign(t, event))
    }

    /// `[TOPIC-PARTITION …]`; none means all.
    fn reassigning(&mut self, text: &str) -> String {
        let one = |text: &str| {
            let (topic, partition) = partition_of(text);
            (Str::from(topic), vec![partition])
        };
        let wanted = (!text.is_empty()).then(|| text.split_whitespace().map(one).collect());
        let told = self.reply(|t| Event::ListReassignments(t, wanted));
        if told.is_empty() { "none".to_owned() } else { told }
    }

    /// `upgrade|safe|unsafe|N NAME=LEVEL …`.
    fn feature(&mut self, text: &str, validate_only: bool) -> String {
        let (kind, options) = Options::of(text);
        let upgrade_type = match kind {
            "upgrade" => 1,
            "safe" => 2,
            "unsafe" => 3,
            other => i8::try_from(number(other)).unwrap(),
        };
        let update = |text: &&str| {
            let (name, level) = text.split_once('=').unwrap();
            FeatureUpdate { name: name.into(), level: i16::try_from(number(level)).unwrap(), upgrade_type }
        };
        let updates = options.0.iter().map(update).collect();
        self.reply(|t| Event::UpdateFeatures(t, UpdateFeatures { updates, validate_only }))
    }

    fn levels(&self) -> String {
        let all = self.image().features().all();
        all.iter().map(|(name, level)| format!("{name}={level}")).collect::<Vec<_>>().join(" ")
    }

    fn controller(&mut self, controller_id: i32) -> String {
        let event = RegisterController { controller_id, ..Default::default() };
        self.reply(|t| Event::RegisterController(t, event))
    }

    /// `ID [behind] [fence] [stop] [epoch=N] [lost=N] [cordoned=N,N]`, where `lost` is the number of a directory.
    fn heartbeat(&mut self, text: &str) -> String {
        let (id, options) = Options::of(text);
        let broker_id = number(id);
        let broker = self.image().cluster().broker(broker_id).cloned();
        let dirs = broker.as_ref().map(|b| b.log_dirs.clone()).unwrap_or_default();
        let lost = options.get("lost").map(|n| usize::try_from(number(n)).unwrap());
        let lost = lost.and_then(|n| dirs.get(n).copied());
        let event = BrokerHeartbeat {
            broker_id,
            broker_epoch: options.get("epoch").map_or(broker.map_or(-1, |b| b.epoch), |e| number(e).into()),
            current_metadata_offset: if options.has("behind") { -1 } else { self.end() - 1 },
            want_fence: options.has("fence"),
            want_shut_down: options.has("stop"),
            offline_log_dirs: lost.into_iter().collect(),
            cordoned_log_dirs: options.get("cordoned").map(|list| {
                let named = list.split(',').filter(|n| !n.is_empty());
                named.map(|n| directory(broker_id, number(n))).collect()
            }),
        };
        self.reply(|t| Event::BrokerHeartbeat(t, event))
    }

    /// `NAME [p=N] [rf=N] [at=1,2/2,1] [from=N] [KEY=VALUE]`; topics are parted by ` + `.
    fn create(&mut self, text: &str, validate_only: bool) -> String {
        let topics = text.split(" + ").map(|topic| {
            let (name, options) = Options::of(topic);
            let first = options.get("from").map_or(0, number);
            let config = |pair: &&str| {
                let (name, value) = pair.split_once('=').unwrap();
                (Str::from(name), (value != "null").then(|| Str::from(value)))
            };
            let own = ["p", "rf", "at", "from"];
            let configs = options.0.iter().filter(|o| !own.contains(&o.split('=').next().unwrap()));
            CreatableTopic {
                name: if name == "''" { Str::default() } else { name.into() },
                topic_id: self.id(),
                num_partitions: options.get("p").map_or(-1, number),
                replication_factor: options.get("rf").map_or(-1, |n| number(n) as i16),
                assignments: (first..)
                    .zip(assignments(options.get("at")).unwrap_or_default())
                    .map(|(partition_index, broker_ids)| ReplicaAssignment { partition_index, broker_ids })
                    .collect(),
                configs: configs.map(config).collect(),
            }
        });
        let event = CreateTopics { topics: topics.collect(), validate_only, seed: 1 };
        self.reply(|t| Event::CreateTopics(t, event))
    }

    /// Names, ids as numbers, or `name/id`.
    fn delete(&mut self, text: &str) -> String {
        let topic = |text: &str| {
            let id = |n: &str| n.parse().ok().map(|n: u8| Uuid::from_bytes([n; 16]));
            match text.split_once('/') {
                Some((name, n)) => TopicRef { name: Some(name.into()), topic_id: id(n).unwrap() },
                None => match id(text) {
                    Some(topic_id) => TopicRef { name: None, topic_id },
                    None => TopicRef { name: Some(text.into()), topic_id: Uuid::ZERO },
                },
            }
        };
        let event = DeleteTopics { topics: text.split_whitespace().map(topic).collect() };
        self.reply(|t| Event::DeleteTopics(t, event))
    }

    /// `NAME COUNT [at=1,2/2,1]`; topics are parted by ` + `.
    fn grow(&mut self, text: &str, validate_only: bool) -> String {
        let topics = text.split(" + ").map(|topic| {
            let (name, options) = Options::of(topic);
            let count = number(options.0[0]);
            GrowingTopic { name: name.into(), count, assignments: assignments(options.get("at")) }
        });
        let event = CreatePartitions { topics: topics.collect(), validate_only, seed: 1 };
        self.reply(|t| Event::CreatePartitions(t, event))
    }

    /// `TYPE:NAME KEY=VALUE KEY=null KEY- KEY+=VALUE KEY-=VALUE KEY?7=VALUE`; resources are parted by ` + `.
    /// `node_id` is the broker that was asked; none is the controller itself.
    fn alter(&mut self, text: &str, node_id: Option<i32>, validate_only: bool) -> String {
        let change = |text: &&str| {
            let (name, operation, value) = match text.split_once('=') {
                None => (text.trim_end_matches('-'), 1, None),
                Some((name, value)) => match name.chars().last().unwrap() {
                    '+' => (name.trim_end_matches('+'), 2, Some(value)),
                    '-' => (name.trim_end_matches('-'), 3, Some(value)),
                    '?' => (name.trim_end_matches('?'), 7, Some(value)),
                    _ => (name, 0, Some(value)),
                },
            };
            ConfigChange { name: name.into(), operation, value: value.filter(|v| *v != "null").map(Str::from) }
        };
        let resources = text.split(" + ").map(|text| {
            let (resource, options) = Options::of(text);
            let (resource_type, resource_name) = resource_of(resource);
            let configs = options.0.iter().map(change).collect();
            AlterableResource { resource_type, resource_name, configs }
        });
        let event = IncrementalAlterConfigs { node_id, resources: resources.collect(), validate_only };
        self.reply(|t| Event::IncrementalAlterConfigs(t, event))
    }

    /// `TYPE:NAME KEY=VALUE …`.
    fn replace(&mut self, text: &str, node_id: Option<i32>) -> String {
        let (resource, options) = Options::of(text);
        let (resource_type, resource_name) = resource_of(resource);
        let config = |pair: &&str| {
            let (name, value) = pair.split_once('=').unwrap();
            (Str::from(name), (value != "null").then(|| Str::from(value)))
        };
        let configs = options.0.iter().map(config).collect();
        let resources = vec![AlterableResource { resource_type, resource_name, configs }];
        self.reply(|t| Event::AlterConfigs(t, AlterConfigs { node_id, resources, validate_only: false }))
    }

    fn producer_ids(&mut self, text: &str) -> String {
        let (id, options) = Options::of(text);
        let broker_id = number(id);
        let epoch = self.image().cluster().broker(broker_id).map_or(0, |b| b.epoch);
        let broker_epoch = options.get("epoch").map_or(epoch, |e| number(e).into());
        self.reply(|t| Event::AllocateProducerIds(t, AllocateProducerIds { broker_id, broker_epoch }))
    }

    fn wait(&mut self, ms: i32) -> String {
        self.now.monotonic += Duration::from_millis(u64::try_from(ms).unwrap());
        while let Some(event) = self.shard.pop_timeout(self.now) {
            assert_eq!(self.decide(|_| event), None);
        }
        "ok".to_owned()
    }

    /// The partitions of a topic: `replicas leader@epoch isr [elr] [last] [adding] [removing] [recovering]`.
    fn show(&self, name: &str) -> String {
        let Some(topic) = self.image().topics().by_name(name) else {
            return "none".to_owned();
        };
        join(topic.partitions.values(), |p| {
            let mut text = format!("{} led by {}@{} isr {}", list(&p.replicas), p.leader, p.leader_epoch, list(&p.isr));
            let lists = [
                ("elr", &p.elr),
                ("last", &p.last_known_elr),
                ("adding", &p.adding_replicas),
                ("removing", &p.removing_replicas),
            ];
            for (what, ids) in lists {
                if !ids.is_empty() {
                    text += &format!(" {what} {}", list(ids));
                }
            }
            if p.leader_recovery_state != 0 {
                text += " recovering";
            }
            text
        })
    }

    fn configs(&self, text: &str) -> String {
        let (kind, name) = resource_of(text);
        let resource = ConfigResource::new(ResourceType::from_id(kind).unwrap(), name);
        let configs = self.image().configs().of(&resource);
        configs.map_or("none".to_owned(), |c| c.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" "))
    }
}

pub(in crate::controller) fn settings() -> Arc<Settings> {
    Arc::new(Settings {
        cluster_id: Str::from_static("cluster"),
        node_id: 1,
        controller_ids: vec![1],
        kraft_version: 1,
        num_partitions: 2,
        default_replication_factor: 1,
        min_insync_replicas: 1,
        unclean_leader_election_enable: false,
        broker_session_timeout: Duration::from_secs(9),
        leader_balance_interval: Some(Duration::from_secs(300)),
        unclean_election_interval: Duration::from_secs(200),
        max_idle_interval: None,
        schema: Arc::new(Schema),
    })
}

fn directory(broker_id: i32, number: i32) -> Uuid {
    Uuid::from_bytes([u8::try_from(broker_id * 10 + number).unwrap() | 0x80; 16])
}

/// Words after the first.
struct Options<'a>(Vec<&'a str>);

impl<'a> Options<'a> {
    fn of(text: &'a str) -> (&'a str, Self) {
        let mut words = text.split_whitespace();
        (words.next().unwrap(), Self(words.collect()))
    }

    fn has(&self, word: &str) -> bool {
        self.0.contains(&word)
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }
}

fn number(text: &str) -> i32 {
    text.parse().unwrap()
}

fn list(ids: &[i32]) -> String {
    ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",")
}

fn partition_of(text: &str) -> (&str, i32) {
    let (topic, partition) = text.rsplit_once('-').unwrap();
    (topic, number(partition))
}

fn assignments(text: Option<&str>) -> Option<Vec<Vec<i32>>> {
    let brokers = |text: &str| text.split(',').filter(|id| !id.is_empty()).map(number).collect();
    text.map(|text| text.split('/').map(brokers).collect())
}

fn resource_of(text: &str) -> (i8, Str) {
    let (kind, name) = text.split_once(':').unwrap();
    let kind = match kind {
        "topic" => 2,
        "broker" => 4,
        "logger" => 8,
        "metrics" => 16,
        "group" => 32,
        other => other.parse().unwrap(),
    };
    (kind, name.into())
}

fn outcome(result: Result<(), ApiError>) -> String {
    result.map_or_else(|error| error.to_string(), |()| "ok".to_owned())
}

fn join<T>(all: impl IntoIterator<Item = T>, text: impl FnMut(T) -> String) -> String {
    all.into_iter().map(text).collect::<Vec<_>>().join("; ")
}
