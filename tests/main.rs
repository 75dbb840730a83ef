//! The tests of the library in one program, so that it is linked once; `hostile` needs a process of its own. What a folder
//! holds belongs to the file of its name.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod acs3;
mod blocking;
mod chain_cases;
mod credentials_uri;
mod file_reload;
mod file_store;
mod foreign_code;
#[allow(dead_code, unused_imports)] // the long run of `examples/histories.rs` needs more of it
mod histories;
mod http;
mod identity;
mod imm_operations;
mod interactive_login;
mod kept_profile;
mod late_tasks;
mod layering;
mod lifetimes;
mod login;
mod metadata;
mod nesting;
mod network;
mod oidc;
mod openapi_client;
mod openapi_repeats;
mod oss;
mod oss4;
mod pages;
#[cfg(unix)]
mod process;
mod profile_calls;
mod public_api;
mod public_names;
mod quickstart;
mod refresh_scenarios;
mod renewal_errors;
mod rpc_v1;
#[cfg(feature = "rsa-key-pair")]
mod rsa_key_pair;
mod runtimes;
mod saml;
mod signer;
mod stress;
mod sts_v1;
#[allow(dead_code)] // the other program needs more of it
mod support;
mod suspend_and_stall;
mod troubleshooting;

/// A file that nobody names would be a test that nobody runs.
#[test]
fn every_file_beside_this_one_is_part_of_it() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        if let Some(name) = name.strip_suffix(".rs").filter(|name| *name != "main") {
            assert!(include_str!("main.rs").contains(&format!("\nmod {name};\n")), "{name}.rs");
        }
    }
}
