//! Refreshes and looks that run late, in another order, or never: tasks are held, and a test says what becomes of each.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll, Waker};

use alibabacloud_credentials::{
    BoxFuture, Context, Credentials, Error, ErrorKind, Health, ProvideCredentials, Refresher, TestClock,
};

use crate::lifetimes::{s, start};

type Task = BoxFuture<'static, ()>;

/// Tasks that do not run until the test says so.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<VecDeque<Task>>>);

impl Tasks {
    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn first(&self) -> Task {
        self.0.lock().unwrap().pop_front().unwrap()
    }

    fn last(&self) -> Task {
        self.0.lock().unwrap().pop_back().unwrap()
    }
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut TaskContext::from_waker(Waker::noop()))
}

fn run(mut task: Task) {
    assert!(poll(&mut task).is_ready());
}

/// A file with a key in it: broken while the key is empty, and on a file system that hangs while it is `None`.
struct File {
    key: Mutex<Option<&'static str>>,
    asked: AtomicUsize,
    looks: AtomicUsize,
}

impl ProvideCredentials for File {
    fn provider_name(&self) -> Cow<'_, str> {
        "file".into()
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match *self.key.lock().unwrap() {
            None => Box::pin(std::future::pending()),
            Some("") => Box::pin(std::future::ready(Err(Error::failed("half written")))),
            Some(key) => Box::pin(std::future::ready(Ok(Credentials::new(key, "fake-secret")))),
        }
    }

    fn is_current(&self, held: &Credentials) -> bool {
        self.looks.fetch_add(1, Ordering::SeqCst);
        *self.key.lock().unwrap() == Some(held.access_key_id())
    }
}

struct World {
    clock: TestClock,
    tasks: Tasks,
    file: Arc<File>,
    refresher: Refresher,
}

impl World {
    /// Nothing was asked yet, and a refresh may take 10 s.
    fn new(key: Option<&'static str>) -> Self {
        let (clock, tasks) = (start(), Tasks::default());
        let held = tasks.clone();
        let spawn = move |task| held.0.lock().unwrap().push_back(task);
        let context = Context::builder().env([("HOME", "/nowhere")]).clock(clock.clone()).spawn(spawn).build();
        let file = Arc::new(File { key: Mutex::new(key), asked: AtomicUsize::new(0), looks: AtomicUsize::new(0) });
        let refresher = Refresher::builder(Arc::clone(&file)).context(context).refresh_timeout(s(10)).build();
        Self { clock, tasks, file, refresher }
    }

    /// The key `one` is in use, and was asked for 10 s after the clocks began.
    fn warm() -> Self {
        let world = Self::new(Some("one"));
        world.clock.advance(s(10));
        let mut call = world.call();
        assert!(poll(&mut call).is_pending());
        run(world.tasks.first());
        assert!(matches!(poll(&mut call), Poll::Ready(Ok(_))));
        world
    }

    fn call(&self) -> BoxFuture<'static, Result<Credentials, Error>> {
        let refresher = self.refresher.clone();
        Box::pin(async move { refresher.credentials().await })
    }

    /// The id that a caller gets at once.
    fn key(&self) -> String {
        match poll(&mut self.call()) {
            Poll::Ready(Ok(found)) => found.access_key_id().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    /// Comes by the slow path, also within the second in which readers need not.
    fn visit(&self) {
        let refresher = self.refresher.clone();
        let mut call = Box::pin(async move { refresher.credentials_valid_for(s(1)).await });
        assert!(matches!(poll(&mut call), Poll::Ready(Ok(_))));
    }

    fn write(&self, key: &'static str) {
        *self.file.key.lock().unwrap() = Some(key);
    }

    fn reject(&self) {
        assert!(self.refresher.invalidate(&self.refresher.cached().unwrap()));
    }

    fn asked(&self) -> usize {
        self.file.asked.load(Ordering::SeqCst)
    }
}

#[test]
fn no_look_begins_while_one_is_under_way_or_within_a_second_of_it() {
    let world = World::warm();
    for _ in 0..5 {
        world.clock.advance(s(2));
        assert_eq!(world.key(), "one");
        world.visit();
    }
    assert_eq!((world.tasks.len(), world.file.looks.load(Ordering::SeqCst)), (1, 0), "one that is under way");
    run(world.tasks.first());
    world.visit();
    assert_eq!(world.tasks.len(), 0, "within a second");
    world.clock.advance(s(1));
    assert_eq!(world.key(), "one");
    assert_eq!((world.tasks.len(), world.asked()), (1, 1));
}

#[test]
fn what_was_received_within_a_second_is_not_looked_at() {
    let world = World::warm();
    world.visit();
    assert_eq!(world.tasks.len(), 0);
    // The same again, 5 s after it was asked for.
    world.clock.advance(s(2));
    world.reject();
    run(world.tasks.first());
    let mut call = world.call();
    assert!(poll(&mut call).is_pending());
    world.clock.advance(s(5));
    run(world.tasks.first());
    assert!(matches!(poll(&mut call), Poll::Ready(Ok(_))));
    world.visit();
    assert_eq!((world.tasks.len(), world.asked()), (0, 2));
    world.clock.advance(s(1));
    world.visit();
    assert_eq!(world.tasks.len(), 1, "a second later it is");
}

#[test]
fn what_a_look_says_of_an_older_credential_is_nobodys_any_more() {
    let world = World::warm();
    world.clock.advance(s(2));
    assert_eq!((world.key().as_str(), world.tasks.len()), ("one", 1));
    world.write("two");
    world.reject();
    let mut call = world.call();
    assert!(poll(&mut call).is_pending());
    run(world.tasks.last());
    assert!(matches!(poll(&mut call), Poll::Ready(Ok(_))));
    // It says that `one` is not what the file holds, and by now nobody says so.
    run(world.tasks.first());
    assert_eq!((world.file.looks.load(Ordering::SeqCst), world.tasks.len(), world.asked()), (1, 0, 2));
    assert_eq!(world.key(), "two");
}

#[test]
fn what_a_look_says_during_a_back_off_is_heard_after_it() {
    let world = World::warm();
    world.clock.advance(s(2));
    assert_eq!((world.key().as_str(), world.tasks.len()), ("one", 1));
    world.write("");
    world.reject();
    let mut call = world.call();
    assert!(poll(&mut call).is_pending());
    run(world.tasks.last());
    assert!(matches!(poll(&mut call), Poll::Ready(Ok(_))), "the old one, since the refresh has failed");
    assert!(matches!(world.refresher.health(), Health::Degraded { .. }));
    run(world.tasks.first());
    assert_eq!((world.tasks.len(), world.asked()), (0, 2), "a back-off runs");
    world.clock.advance(s(2));
    world.write("two");
    world.reject();
    let mut call = world.call();
    assert!(poll(&mut call).is_pending());
    run(world.tasks.last());
    assert!(matches!(poll(&mut call), Poll::Ready(Ok(found)) if found.access_key_id() == "two"));
}

#[test]
fn those_who_wait_for_a_refresh_that_is_given_up_hear_of_its_failure() {
    let world = World::new(Some("one"));
    let mut waits = world.call();
    assert!(poll(&mut waits).is_pending());
    world.clock.advance(s(12));
    let gives_up = poll(&mut world.call());
    assert!(matches!(gives_up, Poll::Ready(Err(error)) if error.kind() == ErrorKind::TimedOut));
    // Driven again when a back-off has long passed, it hears of that refresh, and begins no other one.
    world.clock.advance(s(60));
    let answer = poll(&mut waits);
    assert!(matches!(answer, Poll::Ready(Err(error)) if error.code() == Some("RefreshTimedOut")));
    assert_eq!(world.tasks.len(), 1);
}

#[test]
fn a_caller_outlives_two_refreshes_that_are_lost_and_no_more() {
    for lost in [2, 3] {
        let world = World::new(Some("one"));
        let mut call = world.call();
        assert!(poll(&mut call).is_pending());
        for _ in 0..lost {
            drop(world.tasks.first());
            if let Poll::Ready(answer) = poll(&mut call) {
                assert_eq!((lost, answer.unwrap_err().code()), (3, Some("RefreshDropped")));
                assert_eq!((world.tasks.len(), world.asked()), (0, 0));
                break;
            }
        }
        if lost == 2 {
            run(world.tasks.first());
            assert!(matches!(poll(&mut call), Poll::Ready(Ok(_))));
        }
    }
}

#[test]
fn a_source_whose_refresh_was_lost_when_it_had_been_asked_is_left_alone_for_a_second() {
    let world = World::new(None);
    let mut call = world.call();
    assert!(poll(&mut call).is_pending());
    let mut refresh = world.tasks.first();
    assert!(poll(&mut refresh).is_pending());
    drop(refresh);
    assert!(poll(&mut call).is_pending());
    assert_eq!((world.tasks.len(), world.asked()), (0, 1));
    world.clock.advance(s(1));
    assert!(poll(&mut call).is_pending());
    assert_eq!(world.tasks.len(), 1, "a second later the caller begins the next one");
}

/// Renewal is asleep until the credential is due, and wakes up for two reasons.
#[test]
fn renewal_ends_with_its_stop_or_the_last_handle_while_it_pauses() {
    for by_stop in [true, false] {
        let World { tasks, refresher, clock, file } = World::new(Some("one"));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        refresher.keep_fresh(async move { drop(stopped.await) });
        let mut renewal = tasks.first();
        assert!(poll(&mut renewal).is_pending());
        run(tasks.first());
        assert!(poll(&mut renewal).is_pending());
        assert_eq!((refresher.cached().is_some(), file.asked.load(Ordering::SeqCst)), (true, 1));
        assert!(clock.next_wake().is_some_and(|pause| pause > s(1)), "it pauses");
        let kept = if by_stop {
            stop.send(()).unwrap();
            Some(refresher)
        } else {
            drop(refresher);
            None
        };
        assert!(poll(&mut renewal).is_ready(), "by its stop: {by_stop}");
        drop(kept);
    }
}
