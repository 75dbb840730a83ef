//! Reports what each provider of a chain answered, for explanations.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Chain;
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind};
use crate::explain::{ProviderOutcome, ProviderReport};
use crate::provenance::Provenance;
use crate::provider::{ProvideCredentials, SourceStatus};
use crate::redact::shorten;

impl Chain {
    /// Returns what each provider answered when the chain last looked, in order. Providers that were not asked are judged by
    /// what can be seen now, on a worker and within a second.
    pub(crate) async fn reports(&self) -> Vec<ProviderReport> {
        let asked = |report: &ProviderReport| report.outcome != ProviderOutcome::NotReached;
        let noted = self.noted();
        let unasked = |at: &usize| !noted.get(*at).is_some_and(asked);
        let unasked: Vec<usize> = (0..self.providers.len()).filter(unasked).collect();
        let unseen = Some(SourceStatus::not_configured("could not be looked at in time"));
        let statuses = Arc::new(Mutex::new(vec![unseen; self.providers.len()]));
        let (providers, seen) = (self.providers.clone(), Arc::clone(&statuses));
        let look = move || {
            for at in unasked {
                let status = providers[at].source_status();
                seen.lock().unwrap_or_else(PoisonError::into_inner)[at] = status;
            }
        };
        // What is not seen by then stays unseen.
        let _ = self.blocking_io.run_within(&self.context, Duration::from_secs(1), look).await;
        let statuses = statuses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.judged(noted, &statuses)
    }

    /// The same without a look, for those who must not wait.
    #[cfg(feature = "blocking")]
    pub(crate) fn known_reports(&self) -> Vec<ProviderReport> {
        self.judged(self.noted(), &[])
    }

    fn noted(&self) -> Vec<ProviderReport> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn judged(&self, noted: Vec<ProviderReport>, statuses: &[Option<SourceStatus>]) -> Vec<ProviderReport> {
        let report = |(at, provider): (usize, &Arc<dyn ProvideCredentials>)| match noted.get(at) {
            Some(report) if report.outcome != ProviderOutcome::NotReached => report.clone(),
            _ => ProviderReport::not_reached(&provider.provider_name(), statuses.get(at).cloned().flatten()),
        };
        let mut reports: Vec<ProviderReport> = self.providers.iter().enumerate().map(report).collect();
        // Nothing is hidden by the one in use where none is.
        if !reports.iter().any(|report| report.outcome == ProviderOutcome::Used) {
            reports.iter_mut().for_each(|report| report.hidden = false);
        }
        reports
    }

    /// Nobody has been asked yet.
    pub(super) fn forget(&self) {
        let unasked =
            |provider: &Arc<dyn ProvideCredentials>| ProviderReport::not_reached(&provider.provider_name(), None);
        let unasked = self.providers.iter().map(unasked).collect();
        *self.reports.lock().unwrap_or_else(PoisonError::into_inner) = unasked;
    }

    pub(super) fn note(&self, at: usize, report: ProviderReport) {
        if let Some(place) = self.reports.lock().unwrap_or_else(PoisonError::into_inner).get_mut(at) {
            *place = report;
        }
    }
}

/// A credential's source and its key, as errors and explanations name them.
pub(super) fn source_of(found: &Credentials) -> String {
    let known = Provenance::of(found);
    let mut what = format!("AccessKey ID {}", shorten(found.access_key_id()));
    if let Some(place) = known.place {
        what = format!("{place}: {what}");
    }
    for role in known.roles {
        what.push_str(&format!(", {}", role));
    }
    what
}

impl ProviderReport {
    fn new(provider: &str, outcome: ProviderOutcome) -> Self {
        let provider = provider.to_owned();
        Self { provider, outcome, detail: None, code: None, remedy: None, hidden: false, spent: None }
    }

    /// One that was not asked, judged by what can be seen without asking.
    pub(crate) fn not_reached(provider: &str, status: Option<SourceStatus>) -> Self {
        let mut report = Self::new(provider, ProviderOutcome::NotReached);
        if let Some(status) = status {
            report.hidden = status.configured;
            report.detail = Some(status.text);
        }
        report
    }

    pub(crate) fn used(provider: &str, found: &Credentials, spent: Duration) -> Self {
        let mut report = Self::new(provider, ProviderOutcome::Used);
        report.detail = Some(source_of(found));
        report.spent = Some(spent);
        report
    }

    pub(crate) fn of_error(provider: &str, error: &Error, spent: Duration) -> Self {
        let not_configured = error.kind() == ErrorKind::NotConfigured;
        let mut report =
            Self::new(provider, if not_configured { ProviderOutcome::NotConfigured } else { ProviderOutcome::Failed });
        report.detail = Some(error.message().to_owned());
        report.code = error.code().map(str::to_owned);
        report.remedy = error.remedy().map(str::to_owned);
        report.spent = Some(spent);
        report
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::sync::mpsc;
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::context::{Context, Executor, TestClock};
    use crate::provider::BoxFuture;

    /// A source whose sign is on a file system that hangs, if it has one to wait for: it says that it looks.
    struct Unasked(&'static str, Option<(mpsc::Sender<()>, Mutex<mpsc::Receiver<()>>)>);

    impl ProvideCredentials for Unasked {
        fn provider_name(&self) -> Cow<'_, str> {
            Cow::Borrowed(self.0)
        }

        fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
            Box::pin(std::future::ready(Err(Error::failed("nobody asks"))))
        }

        fn source_status(&self) -> Option<SourceStatus> {
            if let Some((looking, go_on)) = &self.1 {
                looking.send(()).unwrap();
                let _ = go_on.lock().unwrap().recv();
            }
            Some(SourceStatus::configured("is there"))
        }
    }

    #[tokio::test]
    async fn a_sign_that_cannot_be_looked_at_in_time_is_given_up_and_those_before_it_are_shown() {
        let clock = TestClock::new(UNIX_EPOCH);
        let context = Context::builder().clock(clock.clone()).build();
        let ((looking, looks_now), (let_go, go_on)) = (mpsc::channel(), mpsc::channel());
        let hanging = Unasked("hanging", Some((looking, Mutex::new(go_on))));
        let chain = Arc::new(Chain::new("").context(context).then(Unasked("quick", None)).then(hanging));
        let asked = Arc::clone(&chain);
        let reports = Executor::run(async move { asked.reports().await });
        looks_now.recv().unwrap();
        while clock.next_wake().is_none() {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(1));
        let details: Vec<_> = reports.await.unwrap().into_iter().filter_map(|report| report.detail).collect();
        assert_eq!(details, ["is there", "could not be looked at in time"]);
        drop(let_go);
    }
}
