//! The attribute macros of nodeloop.
//!
//! Use them through nodeloop's feature `macros`, as `#[nodeloop::main]` and `#[nodeloop::test]`. They
//! are documented there, where the examples can use the crate.
//!
//! An attribute keeps the function of the user as it is, token by token, and puts it inside a function
//! of the same name that is not `async`. All errors in the function are therefore reported where the
//! user wrote it.

mod expand;
mod function;
mod options;

use proc_macro::{Group, Span, TokenStream, TokenTree};

#[allow(missing_docs)] // documented at the re-export
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::main(options, item)
}

#[allow(missing_docs)] // documented at the re-export
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::test(options, item)
}

/// An error at a place in the user's source.
struct Error {
    span: Span,
    message: String,
}

impl Error {
    fn new(span: Span, message: impl Into<String>) -> Error {
        let message = message.into();
        Error { span, message }
    }

    /// Returns a `compile_error!` with the message, which the compiler reports at the span.
    fn into_tokens(self) -> TokenStream {
        let code = format!("::core::compile_error!({:?});", self.message);
        with_span(source(&code), self.span)
    }
}

/// Reads a piece of source that is part of this package.
fn source(code: &str) -> TokenStream {
    code.parse().expect("the source of a macro can be parsed")
}

/// Gives all tokens the span, so that the compiler reports errors about them there.
fn with_span(tokens: TokenStream, span: Span) -> TokenStream {
    let trees = tokens.into_iter().map(|tree| match tree {
        TokenTree::Group(group) => {
            let inside = with_span(group.stream(), span);
            let mut group = Group::new(group.delimiter(), inside);
            group.set_span(span);
            TokenTree::from(group)
        }
        mut tree => {
            tree.set_span(span);
            tree
        }
    });
    trees.collect()
}
