//! What an indexer asks of the brokers while it goes on indexing: commits, and looks at the log's end.
//!
//! Both take long: a commit waits until the store is durable, a look for half a dozen answers. So they have a thread of their
//! own, and looks a client of their own, whose questions do not wait behind what is being fetched.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::ear::Ear;
use super::group::Context;
use super::look::Look;
use super::options::LogOptions;
use super::topics::Topic;
use crate::{Error, Result};

/// Longest wait for the thread when nobody needs it any more: as long as the answers of a look may take.
const LONGEST_END: Duration = Duration::from_secs(20);

/// Longest wait for an answer within a look.
const LOOK_LIMIT: Duration = Duration::from_secs(3);

/// What the thread did.
pub(super) enum Done {
    /// Made durable and committed what was applied when it was told to.
    Committed(Result<()>),
    /// Looked at the log, after it was told to.
    Looked(Result<Seen>),
}

/// What a look saw.
pub(super) struct Seen {
    pub(super) look: Look,
    /// Where the topic of what is forgotten ended.
    pub(super) forgotten_end: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    Commit,
    Look,
}

/// A thread for what takes long; ends with this value.
pub(super) struct Clerk {
    tasks: Option<SyncSender<Task>>,
    done: Receiver<Done>,
    thread: Option<JoinHandle<()>>,
    is_committing: bool,
    is_looking: bool,
}

impl Clerk {
    pub(super) fn start(
        consumer: &Arc<BaseConsumer<Context>>,
        options: &LogOptions,
    ) -> Result<Self> {
        // One of each kind at a time, so nobody ever waits to hand anything over.
        let (tasks, todo) = sync_channel(2);
        let (done, answers) = sync_channel(2);
        let asking: BaseConsumer<Ear> = options
            .client()
            .set("group.id", options.group())
            .create_with_context(Ear::default())
            .map_err(|error| options.error("connect", &error))?;
        let (consumer, options) = (Arc::clone(consumer), options.clone());
        let work = move || {
            while let Ok(task) = todo.recv() {
                let is_heard = done.send(match task {
                    Task::Commit => Done::Committed(consumer.context().commit(&consumer)),
                    Task::Look => Done::Looked(look(&asking, &options)),
                });
                if is_heard.is_err() {
                    break;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("log-clerk".to_owned())
            .spawn(work)
            .map_err(Error::io("start a thread of the receiver"))?;
        Ok(Self {
            tasks: Some(tasks),
            done: answers,
            thread: Some(thread),
            is_committing: false,
            is_looking: false,
        })
    }

    /// Begins to commit; false while an earlier one is under way.
    pub(super) fn commit(&mut self) -> Result<bool> {
        let is_free = !std::mem::replace(&mut self.is_committing, true);
        if is_free {
            self.hand_over(Task::Commit)?;
        }
        Ok(is_free)
    }

    /// Begins to look; false while an earlier look is under way.
    pub(super) fn look(&mut self) -> Result<bool> {
        let is_free = !std::mem::replace(&mut self.is_looking, true);
        if is_free {
            self.hand_over(Task::Look)?;
        }
        Ok(is_free)
    }

    /// What was done since the last call; none when nothing was.
    pub(super) fn done(&mut self) -> Result<Option<Done>> {
        let done = match self.done.try_recv() {
            Ok(done) => done,
            Err(TryRecvError::Empty) => return Ok(None),
            Err(TryRecvError::Disconnected) => return Err(ended()),
        };
        match &done {
            Done::Committed(_) => self.is_committing = false,
            Done::Looked(_) => self.is_looking = false,
        }
        Ok(Some(done))
    }

    /// Waits until what is under way is done; false when it is left behind, and holds the consumer still.
    pub(super) fn end(&mut self) -> bool {
        self.tasks = None;
        let Some(thread) = self.thread.take() else {
            return true;
        };
        // A commit to a broker that has gone may never return. Its thread ends with the client's answer, or with the process.
        let end = Instant::now() + LONGEST_END;
        while !thread.is_finished() {
            if Instant::now() > end {
                tracing::warn!("a commit or a look does not end, and is left behind");
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if thread.join().is_err() {
            tracing::error!("a thread of the receiver had panicked");
        }
        true
    }

    fn hand_over(&self, task: Task) -> Result<()> {
        let tasks = self.tasks.as_ref().ok_or_else(ended)?;
        tasks.send(task).map_err(|_| ended())
    }
}

impl Drop for Clerk {
    fn drop(&mut self) {
        self.end();
    }
}

fn look(asking: &BaseConsumer<Ear>, options: &LogOptions) -> Result<Seen> {
    let look = Look::take(asking, options, LOOK_LIMIT)?;
    let name = options.topic(Topic::Forgotten);
    let found = asking.fetch_watermarks(&name, 0, LOOK_LIMIT);
    let (_, forgotten_end) =
        found.map_err(|error| options.error("ask where the log ends", &error))?;
    Ok(Seen {
        look,
        forgotten_end,
    })
}

fn ended() -> Error {
    Error::Closed {
        what: "the thread that commits has ended".to_owned(),
    }
}
