//! The logs of new partitions are made by a thread of its own: whoever has a topic created is answered before that, and who
//! uses the partition waits for it.

use super::{Replicas, open_internal};
use crate::{dir::Dir, replica::Replica};
use ottla_metadata::topic_name;
use parking_lot::Mutex;
use std::{
    io,
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender},
    },
    thread::JoinHandle,
};
use tracing::error;

/// Changes of the metadata that may wait for their logs; the next one waits itself.
const QUEUE: usize = 16;

type Batch = Vec<Arc<Replica>>;

/// The thread and what it is given to do.
#[derive(Default)]
pub(super) struct Maker(Mutex<Option<(SyncSender<Batch>, JoinHandle<()>)>>);

impl Replicas {
    /// From now on logs are made beside other work.
    pub(crate) fn start_making(&self) -> io::Result<()> {
        let (sender, batches) = mpsc::sync_channel(QUEUE);
        let dirs = self.dirs.clone();
        let work = move || make_all(&dirs, &batches);
        let thread = std::thread::Builder::new().name("log-maker".to_owned()).spawn(work)?;
        *self.maker.0.lock() = Some((sender, thread));
        Ok(())
    }

    /// Has logs made: those of coordinators now, others once there is time.
    pub(super) fn make(&self, new: &[Arc<Replica>]) {
        let (internal, others): (Batch, Batch) =
            new.iter().cloned().partition(|replica| topic_name::is_internal(&replica.topic));
        make(&self.dirs, &internal);
        open_internal(&internal);
        let later = match &*self.maker.0.lock() {
            Some((sender, _)) => sender.send(others).map_err(|mpsc::SendError(others)| others),
            None => Err(others),
        };
        if let Err(now) = later {
            make(&self.dirs, &now);
        }
    }

    /// Makes what is to be made, and ends.
    pub(super) fn stop_making(&self) {
        let maker = self.maker.0.lock().take();
        if let Some((sender, thread)) = maker {
            drop(sender);
            if thread.join().is_err() {
                error!("the thread that makes logs panicked");
            }
        }
    }
}

fn make_all(dirs: &[Arc<Dir>], batches: &Receiver<Batch>) {
    for mut batch in batches {
        batch.extend(batches.try_iter().flatten());
        make(dirs, &batch);
    }
}

/// Makes logs, for tools to find too, and closes them again; their folders are made durable all at once.
fn make(dirs: &[Arc<Dir>], new: &[Arc<Replica>]) {
    new.iter().for_each(|replica| replica.make());
    for dir in dirs.iter().filter(|dir| new.iter().any(|replica| replica.dir().id == dir.id)) {
        if let Err(error) = dir.log_dir.sync_all() {
            dir.fail(&error);
        }
    }
    new.iter().for_each(|replica| replica.set_made());
}
