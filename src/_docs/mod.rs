//! Pages beside the reference: guides, troubleshooting, differences from the official SDKs, and the changelog.
//!
//! This module exists in the documentation only.

pub mod for_library_authors;
pub mod many_tenants;
pub mod testing_your_service;

#[doc = include_str!("../../TROUBLESHOOTING.md")]
pub mod troubleshooting {}

#[doc = include_str!("../../docs/differences.md")]
pub mod differences {}

#[doc = include_str!("../../CHANGELOG.md")]
pub mod changelog {}
