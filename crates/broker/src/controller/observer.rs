//! Follows the active controller beside the thread of one that the quorum does not speak to, as brokers follow it.

use super::Command;
use crate::{
    client::Address,
    controllers::{Active, Controllers, Follower, FollowerSettings},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError},
    },
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
    time::sleep,
};
use tracing::error;

/// How long a queue that is full is given.
const RETRY: Duration = Duration::from_millis(5);
/// How long to pause after what should not be: controllers of another cluster, or with another history.
const PAUSE: Duration = Duration::from_secs(5);

/// An offset, and the epoch of the record before it.
type Position = (i64, i32);

pub(crate) struct Observer {
    settings: FollowerSettings,
    /// Where it looks for the active controller, and whom it found.
    controllers: Arc<Controllers>,
    runtime: Handle,
    /// Where to begin, while it is wanted; none before it was for the first time.
    wanted: Option<watch::Sender<Option<Position>>>,
}

impl Observer {
    /// To be called where the runtime is.
    pub(crate) fn new(settings: FollowerSettings, controllers: Controllers) -> Self {
        Self { settings, controllers: Arc::new(controllers), runtime: Handle::current(), wanted: None }
    }

    /// Takes note of where the voters are.
    pub(super) fn set_voters(&self, voters: BTreeMap<i32, Address>) {
        self.controllers.set_voters(voters);
    }

    /// Whether it is wanted.
    pub(super) fn follows(&self) -> bool {
        self.wanted.as_ref().is_some_and(|wanted| wanted.borrow().is_some())
    }

    /// Follows from a position on, or not any more.
    pub(super) fn follow(&mut self, wanted: Option<Position>, commands: &SyncSender<Command>) {
        if wanted.is_some() == self.follows() {
            return;
        }
        let sender = self.wanted.get_or_insert_with(|| {
            let (sender, receiver) = watch::channel(None);
            let (settings, controllers) = (self.settings.clone(), self.controllers.clone());
            self.runtime.spawn(run(settings, controllers, receiver, commands.clone()));
            sender
        });
        sender.send_replace(wanted);
    }

    /// Who is active, as far as it knows.
    pub(super) fn active(&self) -> Option<Active> {
        self.controllers.active().filter(|_| self.follows())
    }
}

/// Until the controller's thread has ended.
async fn run(
    settings: FollowerSettings,
    controllers: Arc<Controllers>,
    mut wanted: watch::Receiver<Option<Position>>,
    commands: SyncSender<Command>,
) {
    loop {
        let begin = match wanted.wait_for(Option::is_some).await {
            Ok(wanted) => *wanted,
            Err(_ended) => return,
        };
        let Some(begin) = begin else { continue };
        let follower = Follower::new(settings.clone(), controllers.clone(), begin);
        let unwanted = async { drop(wanted.wait_for(Option::is_none).await) };
        tokio::select! {
            biased;
            () = unwanted => {}
            failed = bring(follower, &commands) => {
                error!("cannot follow the metadata: {failed:#}");
                sleep(PAUSE).await;
            }
        }
        controllers.set_active(None);
    }
}

/// Brings what is new to the thread, one after the other.
async fn bring(mut follower: Follower, commands: &SyncSender<Command>) -> anyhow::Error {
    loop {
        let (sender, taken) = oneshot::channel();
        let mut command = match follower.next().await {
            Ok(news) => Command::News(news, sender),
            Err(failed) => return failed,
        };
        while let Err(unsent) = commands.try_send(command) {
            match unsent {
                TrySendError::Full(unsent) => command = unsent,
                TrySendError::Disconnected(_) => return anyhow::anyhow!("the controller has ended"),
            }
            sleep(RETRY).await;
        }
        // A thread that has ended takes nothing, and does not want this any more.
        let _ = taken.await;
    }
}
