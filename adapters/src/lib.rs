//! Plugs the [`alibabacloud_credentials`] chain into other crates' clients for Alibaba Cloud, a feature each.
//!
//! | feature | client | adapter |
//! |---|---|---|
//! | `imm` | alibabacloud-imm 0.1 | `ImmCredentials` |

#[cfg(feature = "imm")]
mod imm;

#[cfg(feature = "imm")]
pub use imm::ImmCredentials;
