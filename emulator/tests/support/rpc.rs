//! A signer of version 1, RPC with HMAC-SHA1, independent of the emulator's own code.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use alibabacloud_emulator::Emulator;
use alibabacloud_emulator::account::RAM_USER;
use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::{Answer, Key, encode, raw};

#[derive(Clone)]
pub(crate) struct Rpc {
    pub(crate) method: &'static str,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) form: Vec<(String, String)>,
    pub(crate) key: Key,
    /// Signs a space as `+`, as alibabacloud-credentials for Python does.
    pub(crate) form_quoted: bool,
    pub(crate) signed: bool,
    /// Signs by a key pair, and not by HMAC-SHA1.
    pub(crate) key_pair: Option<fn(&str) -> String>,
    pub(crate) without: Vec<&'static str>,
    pub(crate) tampered: Option<(String, String)>,
}

impl Rpc {
    pub(crate) fn new(version: &str, action: &str) -> Self {
        let query = [("Version", version), ("Action", action), ("Format", "JSON")];
        Self {
            method: "POST",
            query: query.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            form: Vec::new(),
            key: RAM_USER.into(),
            form_quoted: false,
            signed: true,
            key_pair: None,
            without: Vec::new(),
            tampered: None,
        }
    }

    pub(crate) fn sts(action: &str) -> Self {
        Self::new("2015-04-01", action)
    }

    pub(crate) fn imm(action: &str) -> Self {
        Self::new("2020-09-30", action)
    }

    pub(crate) fn get(mut self) -> Self {
        self.method = "GET";
        self
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.query.retain(|(other, _)| other != name);
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn form(mut self, name: &str, value: &str) -> Self {
        self.form.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn key(mut self, key: impl Into<Key>) -> Self {
        self.key = key.into();
        self
    }

    pub(crate) fn without(mut self, name: &'static str) -> Self {
        self.without.push(name);
        self
    }

    pub(crate) fn unsigned(mut self) -> Self {
        self.signed = false;
        self
    }

    pub(crate) fn by_key_pair(mut self, sign: fn(&str) -> String) -> Self {
        self.key_pair = Some(sign);
        self
    }

    /// Adds a parameter to the query after signing.
    pub(crate) fn tamper(mut self, name: &str, value: &str) -> Self {
        self.tampered = Some((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn bytes(&self, emulator: &Emulator) -> Vec<u8> {
        static NONCE: AtomicU64 = AtomicU64::new(0);
        let mut query = self.query.clone();
        if self.signed {
            let now = chrono::DateTime::<chrono::Utc>::from(emulator.now()).format("%Y-%m-%dT%H:%M:%SZ").to_string();
            let nonce = format!("rpc-{}", NONCE.fetch_add(1, Ordering::Relaxed));
            let mut system = vec![
                ("AccessKeyId", self.key.0.clone()),
                ("SignatureMethod", "HMAC-SHA1".to_owned()),
                ("SignatureVersion", "1.0".to_owned()),
                ("SignatureNonce", nonce),
                ("Timestamp", now),
            ];
            system.extend(self.key.2.clone().map(|token| ("SecurityToken", token)));
            for (name, value) in system {
                if !self.without.contains(&name) && !query.iter().any(|(other, _)| other == name) {
                    query.push((name.to_owned(), value));
                }
            }
            let union: BTreeMap<_, _> = query.iter().chain(&self.form).cloned().collect();
            let quote = |text: &str| if self.form_quoted { encode(text).replace("%20", "+") } else { encode(text) };
            let pairs: Vec<_> = union.iter().map(|(name, value)| format!("{}={}", quote(name), quote(value))).collect();
            let to_sign = format!("{}&%2F&{}", self.method, encode(&pairs.join("&")));
            let mut mac = Hmac::<Sha1>::new_from_slice(format!("{}&", self.key.1).as_bytes()).unwrap();
            mac.update(to_sign.as_bytes());
            let by_secret = || base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
            let signature = self.key_pair.map_or_else(by_secret, |sign| sign(&to_sign));
            if !self.without.contains(&"Signature") {
                query.push(("Signature".to_owned(), signature));
            }
        }
        query.extend(self.tampered.clone());
        let join = |pairs: &[(String, String)]| {
            pairs
                .iter()
                .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
                .collect::<Vec<_>>()
                .join("&")
        };
        let (query, form) = (join(&query), join(&self.form));
        let content_type = if form.is_empty() { "" } else { "content-type: application/x-www-form-urlencoded\r\n" };
        let host = emulator.http_addr();
        let length = form.len();
        format!(
            "{} /?{query} HTTP/1.1\r\nhost: {host}\r\n{content_type}content-length: {length}\r\n\r\n{form}",
            self.method
        )
        .into_bytes()
    }

    pub(crate) async fn send(&self, emulator: &Emulator) -> Answer {
        raw(emulator, &self.bytes(emulator)).await
    }

    pub(crate) async fn code(&self, emulator: &Emulator) -> String {
        self.send(emulator).await.code()
    }
}
