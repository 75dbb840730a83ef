//! Planted leaks: the search that every case goes through finds a secret wherever a provider lets it out, and does not
//! find what the crate tames.

use std::collections::BTreeMap;

use alibabacloud_credentials::{Chain, Credentials, Error, ProvideCredentials, Refresher, provider_fn};

use super::script::Script;
use super::world::World;
use crate::support::leaks::Exposed;

const SECRET: &str = "planted/not+a+real+secret";

/// Asks the provider as a case would, and returns where the secret got out.
fn leaks(name: &str, provider: impl ProvideCredentials) -> Vec<String> {
    let world = World::new(name, &BTreeMap::new(), Script::new(Default::default(), Vec::new())).unwrap();
    let chain = Chain::new("planted").then(provider);
    let refresher = Refresher::builder(chain).context(world.context.clone()).build();
    let mut exposed = Exposed::default();
    exposed.result(&world.run(refresher.credentials()).unwrap());
    exposed.debug("the refresher", &refresher);
    exposed.text("the log", world.logs());
    exposed.leaks(&[SECRET.to_owned()])
}

fn found_in(leaks: &[String], place: &str) -> bool {
    leaks.iter().any(|leak| leak.contains(&format!("leaks into {place}")))
}

#[test]
fn a_secret_in_an_errors_text_is_found() {
    let leaks = leaks("planted-text", provider_fn("leaky", || async { Err(Error::failed(format!("bad {SECRET}"))) }));
    for place in ["{} of the error", "{:#} of the error", "Debug of the error", "the log"] {
        assert!(found_in(&leaks, place), "{place}: {leaks:#?}");
    }
}

#[test]
fn a_secret_in_an_errors_source_is_found() {
    let leaky = provider_fn("leaky", || async { Err(Error::failed("bad").with_source(format!("not {SECRET}"))) });
    let leaks = leaks("planted-source", leaky);
    assert!(leaks.len() == 1 && found_in(&leaks, "a source of the error"), "{leaks:#?}");
}

#[test]
fn a_secret_in_the_log_at_trace_is_found() {
    let leaky = provider_fn("leaky", || async {
        tracing::trace!(secret = SECRET, "asked");
        Ok(Credentials::new("LTAIplanted", SECRET))
    });
    let leaks = leaks("planted-log", leaky);
    assert!(leaks.len() == 1 && found_in(&leaks, "the log"), "{leaks:#?}");
}

#[test]
fn a_secret_in_a_spans_field_is_found() {
    let leaky = provider_fn("leaky", || async {
        let _entered = tracing::trace_span!("asking", token = SECRET).entered();
        Ok(Credentials::new("LTAIplanted", SECRET))
    });
    assert!(found_in(&leaks("planted-span", leaky), "the log"));
}

#[test]
fn a_secret_that_was_percent_encoded_is_found() {
    for text in
        ["https://sts/?t=planted%2Fnot%2Ba%2Breal%2Bsecret", "POST&%2F&t%3Dplanted%252Fnot%252Ba%252Breal%252Bsecret"]
    {
        let mut exposed = Exposed::default();
        exposed.text("a URL", text);
        assert_eq!(exposed.leaks(&[SECRET.to_owned()]).len(), 1, "{text}");
    }
}

#[test]
fn a_provider_that_keeps_its_secret_passes() {
    let quiet = provider_fn("quiet", || async { Ok(Credentials::new("LTAIplanted", SECRET)) });
    assert_eq!(leaks("planted-quiet", quiet), Vec::<String>::new());
}
