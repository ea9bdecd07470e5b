//! The peers of accepted connections, whose place in the source is the same.

use std::cell::RefCell;
use std::fmt::Debug;

use mio::Token;
use rustc_hash::FxHashMap;

use crate::phases::macrotask::SourceLocation;

/// What an unnamed peer, of a Unix domain socket, is printed as.
const UNNAMED: &str = "(unnamed)";

#[derive(Default)]
pub(super) struct Peers {
    names: RefCell<FxHashMap<Token, String>>,
}

impl Peers {
    /// Notes the address of the peer of a source.
    pub(super) fn note(&self, token: Token, address: &dyn Debug) {
        let name = format!("{address:?}");
        if name != UNNAMED {
            self.names.borrow_mut().insert(token, name);
        }
    }

    /// Returns the name of a source in the text of a decision.
    pub(super) fn name(&self, token: Token, location: SourceLocation) -> String {
        match self.names.borrow().get(&token) {
            Some(peer) => format!("the source of {location} with the peer {peer}"),
            None => format!("the source of {location}"),
        }
    }
}
