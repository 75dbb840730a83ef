//! Every test of the emulator in one program, so that it is linked once; `abuse.rs` needs a process of its own.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod faults;
mod imm;
mod key_pair;
mod login;
mod metadata;
mod module_graph;
mod oidc;
mod order;
#[cfg(feature = "cli")]
mod program;
mod rpc_v1;
mod saml;
mod server;
mod sts;
mod support;
#[cfg(feature = "tls")]
mod tls;
