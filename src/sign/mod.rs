//! Signatures: pure functions from a request and a key to the header that proves it.
//!
//! The crate's own calls are signed here. A client that takes neither a [`RequestSigner`](crate::RequestSigner) nor an
//! `OpenApiClient` can sign with these functions: [`acs3`] for most products, [`oss4`] for Object Storage, and [`rpc_v1`]
//! for gateways that accept nothing else.
//!
//! ```
//! use alibabacloud_credentials::sign::acs3;
//!
//! let request = acs3::Request {
//!     method: "GET",
//!     path: "/",
//!     query: &[],
//!     headers: &[("host", "imm.cn-hangzhou.aliyuncs.com"), ("x-acs-action", "ListProjects")],
//!     payload_sha256: acs3::EMPTY_PAYLOAD,
//! };
//! assert!(request.authorization("an id", "a secret").starts_with("ACS3-HMAC-SHA256 Credential=an id,"));
//! ```

pub mod acs3;
mod canonical;
pub mod oss4;
pub mod rpc_v1;

pub use crate::encode::percent_encode;
