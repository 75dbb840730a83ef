//! Callers: each a task of its own, who notes what it got and whether it had to wait.

use std::future::Future;
use std::task::Poll;
use std::time::Duration;

use alibabacloud_credentials::{Clock, Credentials, Error, Refresher, TestClock};
use tokio::task::JoinHandle;

use super::format::How;

#[derive(Debug)]
pub(crate) enum Reply {
    Credentials(Credentials),
    Error(Error),
    /// `with` and `cached` had nothing to lend.
    Nothing,
    /// The caller gave up.
    None,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    /// `None`: served at the first poll.
    pub(crate) waited: Option<Duration>,
}

pub(crate) struct Callers(Vec<JoinHandle<Answer>>);

impl Callers {
    pub(crate) fn start(n: usize, how: How, refresher: &Refresher, clock: &TestClock) -> Self {
        Self((0..n).map(|_| tokio::spawn(call(how, refresher.clone(), clock.clone()))).collect())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn finished(&self) -> usize {
        self.0.iter().filter(|caller| caller.is_finished()).count()
    }

    /// Who still waits gives up.
    pub(crate) async fn answers(self) -> Vec<Answer> {
        let mut answers = Vec::new();
        for caller in self.0 {
            if caller.is_finished() {
                answers.push(caller.await.unwrap_or_else(|_| Answer {
                    reply: Reply::Error(Error::failed("the caller panicked")),
                    waited: None,
                }));
            } else {
                caller.abort();
                answers.push(Answer { reply: Reply::None, waited: None });
            }
        }
        answers
    }
}

async fn call(how: How, refresher: Refresher, clock: TestClock) -> Answer {
    let began = clock.now().monotonic;
    let mut polls = 0;
    let mut asking = std::pin::pin!(ask(how, &refresher));
    let reply = std::future::poll_fn(|cx| {
        polls += 1;
        asking.as_mut().poll(cx)
    })
    .await;
    Answer { reply, waited: (polls > 1).then(|| clock.now().monotonic - began) }
}

async fn ask(how: How, refresher: &Refresher) -> Reply {
    let answer = match how {
        How::Credentials => refresher.credentials().await,
        How::ValidFor(lifetime) => refresher.credentials_valid_for(lifetime.duration()).await,
        How::With => return refresher.with(Clone::clone).map_or(Reply::Nothing, Reply::Credentials),
        How::Cached => return refresher.cached().map_or(Reply::Nothing, Reply::Credentials),
    };
    match answer {
        Ok(credentials) => Reply::Credentials(credentials),
        Err(error) => Reply::Error(error),
    }
}

/// A caller who is polled so often and dropped: whether it had no answer by then.
pub(crate) async fn dropped_after(polls: usize, how: How, refresher: &Refresher) -> bool {
    let mut asking = Box::pin(ask(how, refresher));
    for _ in 0..polls {
        let poll = std::future::poll_fn(|cx| Poll::Ready(asking.as_mut().poll(cx))).await;
        if poll.is_ready() {
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}
