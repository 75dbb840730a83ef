//! How long a chain takes that finds nothing, cold, by the real clock: `tests/off-cloud` runs it where the metadata
//! service's address drops packets. Prints one line of JSON, and to standard error what each source said.

use std::time::Instant;

use alibabacloud_credentials::{
    Chain, CliProfileProvider, CredentialsUriProvider, EcsMetadataProvider, EnvironmentProvider, Refresher,
};

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::disallowed_methods)] // real time is what this measures
async fn main() {
    let chain = Chain::new("")
        .then(EnvironmentProvider::new())
        .then(CliProfileProvider::new())
        .then(EcsMetadataProvider::new())
        .then(CredentialsUriProvider::new());
    let refresher = Refresher::new(chain);
    let mut milliseconds = Vec::new();
    let mut answer = String::new();
    for _ in 0..2 {
        let began = Instant::now();
        answer = match refresher.credentials().await {
            Ok(found) => found.provider_name().to_owned(),
            Err(error) => {
                eprintln!("{error:#}");
                error.kind().to_string()
            }
        };
        milliseconds.push(began.elapsed().as_millis());
    }
    println!(r#"{{"answer":"{answer}","milliseconds":{milliseconds:?}}}"#);
}
