//! The adapter for alibabacloud-imm and ossify, whose credentials provider traits have the same shape, each its own.

/// The adapter for a client crate, and how the `Code` is taken out of that client's error.
macro_rules! credentials_provider {
    (
        $(#[$doc:meta])* pub struct $adapter:ident for $client:ident;
        $(#[$doc_of_invalid:meta])* invalid: $product:ident, $code:expr;
    ) => {
        use std::cell::Cell;
        use std::fmt;
        use std::future::Future;
        use std::pin::pin;

        use alibabacloud_credentials::{Credentials, Product, Refresher};

        tokio::task_local! {
            /// What the call that runs here was signed with.
            static USED: Cell<Option<Credentials>>;
        }

        $(#[$doc])*
        #[derive(Clone)]
        pub struct $adapter(Refresher);

        impl $adapter {
            /// From a chain, a refresher, or a literal.
            pub fn new(credentials: impl Into<Refresher>) -> Self {
                Self(credentials.into())
            }

            /// Makes a call of the client; when the server refuses its token as invalid, once more with another.
            ///
            /// The client itself does not ask again for such a refusal, and would go on with the invalid session until it
            /// is due. This remembers which credential this very call was signed with, whatever other calls do
            /// meanwhile, and invalidates that one and no other; `call` is repeated only if the chain then has another.
            /// Such a refusal comes before the call takes effect, so repeating it is safe. Let `call` make one request,
            /// in its own task: what it spawns is not seen.
            ///
            $(#[$doc_of_invalid])*
            ///
            /// # Errors
            ///
            /// The client's, of the last attempt.
            pub async fn renewing<T, C, F>(&self, mut call: C) -> $client::Result<T>
            where
                C: FnMut() -> F,
                F: Future<Output = $client::Result<T>>,
            {
                let mut attempt = pin!(USED.scope(Cell::new(None), call()));
                let result = attempt.as_mut().await;
                let used = attempt.as_mut().take_value().and_then(Cell::into_inner);
                let code: fn(&$client::Error) -> Option<&str> = $code;
                match (result.as_ref().err().and_then(code), used) {
                    (Some(code), Some(used)) if Product::$product.is_invalid_token(code, &used) => {
                        self.0.invalidate(&used);
                        match self.0.credentials().await {
                            Ok(fresh) if fresh.generation() != used.generation() => call().await,
                            _ => result,
                        }
                    }
                    _ => result,
                }
            }
        }

        impl $client::credentials::CredentialsProvider for $adapter {
            async fn get_credentials(&self) -> $client::Result<$client::credentials::Credentials> {
                let current = self.0.credentials().await.map_err(|error| $client::Error::Other(error.to_string()))?;
                let copy = $client::credentials::Credentials {
                    access_key_id: current.access_key_id().to_owned(),
                    access_key_secret: current.access_key_secret().to_owned(),
                    security_token: current.security_token().map(str::to_owned),
                    expiration: current.expiration().and_then(|at| at.try_into().ok()),
                };
                // Outside of `renewing` nobody wants to know.
                let _ = USED.try_with(|used| used.set(Some(current)));
                Ok(copy)
            }
        }

        impl fmt::Debug for $adapter {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($adapter)).field(&self.0).finish()
            }
        }
    };
}

pub(crate) use credentials_provider;
