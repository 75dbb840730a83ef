//! The pages of a list, one call after the other.

use super::{ApiResponse, OpenApiClient};
use crate::error::{Error, ErrorKind};

/// The pages that are read unless another number is asked for.
const LIMIT: u32 = 10_000;
const NEXT_TOKEN: &str = "NextToken";

/// The pages of a list: see [`OpenApiClient::pages`].
///
/// ```no_run
/// # async fn example(imm: alibabacloud_credentials::OpenApiClient) -> Result<(), alibabacloud_credentials::Error> {
/// let mut pages = imm.pages("ListProjects", [("MaxResults", "100")]);
/// while let Some(page) = pages.next().await {
///     println!("{}", page?.body()["Projects"]);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is asked before the first call of `next`"]
pub struct Pages {
    client: OpenApiClient,
    action: String,
    parameters: Vec<(String, String)>,
    /// The token of the next page; `None` at the end.
    next: Option<String>,
    left: u32,
}

impl OpenApiClient {
    /// Reads a list page by page, as far as the server's `NextToken` leads. `parameters` are those of each call; a
    /// `NextToken` among them says where to begin.
    ///
    /// Each page is one [`call`](Self::call), made when it is asked for: a list that nobody reads on costs nothing, and to
    /// drop the future of [`next`](Pages::next) cancels that call alone. For synchronous code there is `next_blocking`
    /// (feature `blocking`).
    ///
    /// ```no_run
    /// # async fn example(imm: alibabacloud_credentials::OpenApiClient) -> Result<(), alibabacloud_credentials::Error> {
    /// let mut pages = imm.pages("ListProjects", [("MaxResults", "100")]);
    /// while let Some(page) = pages.next().await {
    ///     println!("{}", page?.body()["Projects"]);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn pages<'a>(&self, action: &str, parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> Pages {
        let (mut rest, mut next) = (Vec::new(), String::new());
        for (name, value) in parameters {
            match name {
                NEXT_TOKEN => next = value.to_owned(),
                _ => rest.push((name.to_owned(), value.to_owned())),
            }
        }
        Pages { client: self.clone(), action: action.to_owned(), parameters: rest, next: Some(next), left: LIMIT }
    }
}

impl Pages {
    /// Sets how many pages are read at most; the next one is then an error. Default 10,000.
    pub fn limit(mut self, pages: u32) -> Self {
        self.left = pages;
        self
    }

    /// Reads the next page; `None` behind the last one. After an error the same page is asked for again.
    ///
    /// # Errors
    ///
    /// Those of [`call`](OpenApiClient::call). [`ErrorKind::InvalidResponse`] with the code `PagesDoNotEnd` where the
    /// server names the same page as the next one, or there are more pages than the [`limit`](Self::limit).
    pub async fn next(&mut self) -> Option<Result<ApiResponse, Error>> {
        let token = self.next.clone()?;
        if self.left == 0 {
            self.next = None;
            return Some(Err(endless(&self.action, "has more pages than the limit")));
        }
        let all = self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let all = all.chain((!token.is_empty()).then_some((NEXT_TOKEN, token.as_str())));
        let page = match self.client.call(&self.action, all).await {
            Ok(page) => page,
            Err(error) => return Some(Err(error)),
        };
        let next = page.body().get(NEXT_TOKEN).and_then(|next| next.as_str()).filter(|next| !next.is_empty());
        if next == Some(token.as_str()) {
            self.next = None;
            return Some(Err(endless(&self.action, "names the same page as the next one, again")));
        }
        self.next = next.map(str::to_owned);
        self.left -= 1;
        Some(Ok(page))
    }
}

fn endless(action: &str, what: &str) -> Error {
    let error = Error::new(ErrorKind::InvalidResponse, format!("the list that {action} reads {what}"));
    error.with_code("PagesDoNotEnd").permanent()
}
