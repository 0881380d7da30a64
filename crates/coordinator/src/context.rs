//! What a decision has at hand besides the group it is about.

use crate::groups::cause::Why;
use crate::groups::classic::{GroupType, JoinRefused, Joined, Synced};
use crate::{CoordinatorRecord, Effect, Error, GroupCoordinator, Level, Reply, Settings, Timer};
use core::time::Duration;
use ottla_protocol::Str;
use ottla_state_machine::{Now, Outcome, Ticket};

/// The header of a batch.
const BATCH_OVERHEAD_BYTES: usize = 64;

/// Settings, time, and the way out.
pub(crate) struct Context<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) now: Now,
    pub(crate) out: &'a mut Outcome<GroupCoordinator>,
}

impl Context<'_> {
    pub(crate) fn record(&mut self, record: CoordinatorRecord) {
        self.out.record(record);
    }

    /// Whether a batch can hold records of so many bytes.
    pub(crate) fn fits(&self, record_bytes: usize) -> bool {
        record_bytes.saturating_add(BATCH_OVERHEAD_BYTES) <= self.settings.max_batch_bytes
    }

    /// Appends records that belong together, if a batch can hold them.
    pub(crate) fn record_all(&mut self, records: Vec<CoordinatorRecord>) -> Result<(), Error> {
        let bytes: usize = records.iter().map(CoordinatorRecord::max_bytes).sum();
        if !self.fits(bytes) {
            return Err(Error::RecordsTooLarge);
        }
        records.into_iter().for_each(|record| self.out.record(record));
        Ok(())
    }

    pub(crate) fn reply(&mut self, ticket: Ticket, reply: Reply) {
        self.out.reply(ticket, reply);
    }

    pub(crate) fn joined(&mut self, ticket: Ticket, joined: Joined) {
        self.reply(ticket, Reply::JoinGroup(Ok(joined)));
    }

    pub(crate) fn refuse_join(&mut self, ticket: Ticket, error: Error, member_id: &Str) {
        let member_id = member_id.clone();
        self.reply(ticket, Reply::JoinGroup(Err(JoinRefused { error, member_id })));
    }

    pub(crate) fn synced(&mut self, ticket: Ticket, synced: Result<Synced, Error>) {
        self.reply(ticket, Reply::SyncGroup(synced));
    }

    /// Sets a timer; a negative time is none at all.
    pub(crate) fn set_timer(&mut self, timer: Timer, after_ms: i64) {
        let after = Duration::from_millis(u64::try_from(after_ms).unwrap_or(0));
        self.out.set_timer(timer, self.now.monotonic.saturating_add(after));
    }

    pub(crate) fn cancel_timer(&mut self, timer: Timer) {
        self.out.cancel_timer(timer);
    }

    pub(crate) fn log(&mut self, level: Level, group_id: &Str, message: String) {
        self.out.effect(Effect::Log { level, group_id: group_id.clone(), message });
    }

    /// A group rebalances: counted by its cause, and told with the words for it.
    pub(crate) fn rebalances(&mut self, group_id: &Str, group_type: GroupType, why: &Why, message: String) {
        self.out.effect(Effect::Rebalance { group_type, cause: why.cause });
        self.info(group_id, message);
    }

    pub(crate) fn info(&mut self, group_id: &Str, message: String) {
        self.log(Level::Info, group_id, message);
    }
}
