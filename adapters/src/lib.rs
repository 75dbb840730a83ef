//! Plugs the [`alibabacloud_credentials`] chain into other crates' clients for Alibaba Cloud, a feature each.
//!
//! | feature | client | adapter |
//! |---|---|---|
//! | `imm` | alibabacloud-imm 0.1 | `ImmCredentials` |
//! | `ossify` | ossify 0.4 | `OssifyCredentials` |

#[cfg(any(feature = "imm", feature = "ossify"))]
mod dead_token;
#[cfg(feature = "imm")]
mod imm;
#[cfg(feature = "ossify")]
mod ossify;
#[cfg(any(feature = "imm", feature = "ossify"))]
mod same_trait;

#[cfg(feature = "imm")]
pub use imm::ImmCredentials;
#[cfg(feature = "ossify")]
pub use ossify::OssifyCredentials;
