//! Finds where the members of JSON objects stand in a text, byte by byte, so that one value can be replaced and nothing else.

use std::ops::Range;

/// Deeper than this no profile is nested; serde_json reads no deeper either.
const DEEPEST: usize = 128;

/// An object: its members in order, and where it stands, braces included.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) members: Vec<Member>,
    pub(super) span: Range<usize>,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    /// The start of its name, at the quotation mark.
    pub(super) start: usize,
    pub(super) value: Range<usize>,
}

impl Object {
    pub(super) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }
}

/// The reason why a text is not scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Comments, trailing commas, a value that breaks off.
    NotJson,
    /// A key twice in one object: readers differ in which one counts.
    Duplicate,
    TooDeep,
}

/// Reads the object that `text` is, blanks around it apart.
pub(super) fn document(text: &str) -> Result<Object, Refusal> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.blanks();
    let object = scanner.object(0)?;
    scanner.blanks();
    if scanner.at == text.len() { Ok(object) } else { Err(Refusal::NotJson) }
}

/// Reads the object that stands in `text` at `span`; `None` if that is another value.
pub(super) fn object_at(text: &str, span: &Range<usize>) -> Result<Option<Object>, Refusal> {
    let mut scanner = Scanner { text, at: span.start };
    match scanner.peek() {
        Some(b'{') => scanner.object(0).map(Some),
        _ => Ok(None),
    }
}

/// The spans of the elements of the array at `span`; `None` if that is another value.
pub(super) fn elements_at(text: &str, span: &Range<usize>) -> Result<Option<Vec<Range<usize>>>, Refusal> {
    let mut scanner = Scanner { text, at: span.start };
    match scanner.peek() {
        Some(b'[') => scanner.array(0).map(Some),
        _ => Ok(None),
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Refusal> {
        if self.peek() != Some(byte) {
            return Err(Refusal::NotJson);
        }
        self.at += 1;
        Ok(())
    }

    /// Passes a comma, or the end of a list; `true` at the end.
    fn ends(&mut self, close: u8) -> Result<bool, Refusal> {
        self.blanks();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.blanks();
                Ok(false)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(true)
            }
            _ => Err(Refusal::NotJson),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Object, Refusal> {
        let (start, mut members) = (self.at, Vec::<Member>::new());
        self.expect(b'{')?;
        self.blanks();
        let mut done = self.peek() == Some(b'}');
        if done {
            self.at += 1;
        }
        while !done {
            let name_start = self.at;
            let name = self.string()?;
            let name: String = serde_json::from_str(&self.text[name]).map_err(|_| Refusal::NotJson)?;
            if members.iter().any(|member| member.name == name) {
                return Err(Refusal::Duplicate);
            }
            self.blanks();
            self.expect(b':')?;
            self.blanks();
            let value = self.value(depth + 1)?;
            members.push(Member { name, start: name_start, value });
            done = self.ends(b'}')?;
        }
        Ok(Object { members, span: start..self.at })
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Range<usize>>, Refusal> {
        let mut elements = Vec::new();
        self.expect(b'[')?;
        self.blanks();
        let mut done = self.peek() == Some(b']');
        if done {
            self.at += 1;
        }
        while !done {
            elements.push(self.value(depth + 1)?);
            done = self.ends(b']')?;
        }
        Ok(elements)
    }

    fn value(&mut self, depth: usize) -> Result<Range<usize>, Refusal> {
        if depth > DEEPEST {
            return Err(Refusal::TooDeep);
        }
        let start = self.at;
        match self.peek() {
            Some(b'{') => drop(self.object(depth)?),
            Some(b'[') => drop(self.array(depth)?),
            Some(b'"') => {
                self.string()?;
            }
            // A number or a word; the whole text has been read by serde_json, so it is one.
            Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E')) {
                    self.at += 1;
                }
            }
            _ => return Err(Refusal::NotJson),
        }
        Ok(start..self.at)
    }

    /// Passes a string, its quotation marks included.
    fn string(&mut self) -> Result<Range<usize>, Refusal> {
        let start = self.at;
        self.expect(b'"')?;
        loop {
            match self.peek() {
                Some(b'"') => break,
                // What is escaped is one byte of ASCII; of `\u0022` the rest is no quotation mark.
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err(Refusal::NotJson),
            }
        }
        self.at += 1;
        match self.text.is_char_boundary(self.at) {
            true => Ok(start..self.at),
            false => Err(Refusal::NotJson),
        }
    }
}
