//! Where refreshes run: the test's own runtime, or a place that fails in one of the ways that places do.

use std::sync::Mutex;

use alibabacloud_credentials::BoxFuture;
use tokio::task::JoinHandle;

use super::format::Place;

type Task = BoxFuture<'static, ()>;

pub(crate) struct Home {
    place: Mutex<Place>,
    running: Mutex<Vec<JoinHandle<()>>>,
    stalled: Mutex<Vec<Task>>,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { place: Mutex::new(Place::Runs), running: Mutex::default(), stalled: Mutex::default() }
    }

    pub(crate) fn now(&self, place: Place) {
        *self.place.lock().unwrap() = place;
    }

    pub(crate) fn spawn(&self, task: Task) {
        let place = *self.place.lock().unwrap();
        match place {
            Place::Runs => self.running.lock().unwrap().push(tokio::spawn(task)),
            Place::Drops => drop(task),
            Place::DropsNext => {
                self.now(Place::Runs);
                drop(task);
            }
            Place::Stalls => self.stalled.lock().unwrap().push(task),
        }
    }

    /// What runs ends unfinished.
    pub(crate) fn lose(&self) {
        for task in self.running.lock().unwrap().drain(..) {
            task.abort();
        }
    }

    /// What stood still runs.
    pub(crate) fn resume(&self) {
        let stalled: Vec<Task> = self.stalled.lock().unwrap().drain(..).collect();
        self.running.lock().unwrap().extend(stalled.into_iter().map(tokio::spawn));
    }
}
