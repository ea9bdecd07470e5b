//! The options in the parentheses of an attribute.

use std::iter::Peekable;

use proc_macro::{Ident, Literal, Span, TokenStream, TokenTree, token_stream};

use crate::Error;

/// The options of `#[nodeloop::main]` and `#[nodeloop::test]`.
#[derive(Default)]
pub(crate) struct Options {
    /// `crate = path`: the path of nodeloop.
    pub(crate) path: Option<TokenStream>,
    /// `explore = seeds`: the name and the number.
    pub(crate) explore: Option<(Ident, TokenStream)>,
    pub(crate) real_time: Option<Ident>,
}

impl Options {
    /// Reads the options, of which only those in `known` are accepted.
    pub(crate) fn parse(tokens: TokenStream, known: &[&str]) -> Result<Options, Error> {
        let mut options = Options::default();
        let mut seen: Vec<String> = Vec::new();
        let mut trees = tokens.into_iter().peekable();
        while let Some(tree) = trees.next() {
            let name = match tree {
                TokenTree::Ident(name) if known.contains(&name.to_string().as_str()) => name,
                tree => {
                    let message = format!("expected {}", list(known));
                    return Err(Error::new(tree.span(), message));
                }
            };
            let text = name.to_string();
            if seen.contains(&text) {
                let message = format!("the option `{text}` is given twice");
                return Err(Error::new(name.span(), message));
            }
            match text.as_str() {
                "crate" => options.path = Some(path_of_crate(&name, &mut trees)?),
                "explore" => {
                    let example = "the number of seeds, as in `explore = 100`";
                    let seeds = value(&name, &mut trees, example)?;
                    options.explore = Some((name, seeds));
                }
                _ => options.real_time = Some(name),
            }
            seen.push(text);
            if let Some(tree) = trees.next()
                && !is_punct(&tree, ',')
            {
                return Err(Error::new(tree.span(), "expected a comma"));
            }
        }
        Ok(options)
    }
}

fn path_of_crate(name: &Ident, trees: &mut Trees) -> Result<TokenStream, Error> {
    let example = "the path of nodeloop, as in `crate = my_crate::nodeloop`";
    let path = value(name, trees, example)?;
    match path.clone().into_iter().next() {
        Some(TokenTree::Literal(literal)) => Err(quoted_path(&literal)),
        _ => Ok(path),
    }
}

/// Other crates use text here.
fn quoted_path(literal: &Literal) -> Error {
    let text = literal.to_string();
    let path = text.trim_matches('"');
    let message = format!("expected a path without quotation marks: `crate = {path}`");
    Error::new(literal.span(), message)
}

type Trees = Peekable<token_stream::IntoIter>;

/// Takes `= value`, up to the next comma.
fn value(name: &Ident, trees: &mut Trees, example: &str) -> Result<TokenStream, Error> {
    let missing = |span: Span| Error::new(span, format!("expected {example}"));
    if trees.next_if(|tree| is_punct(tree, '=')).is_none() {
        return Err(missing(name.span()));
    }
    let mut value = TokenStream::new();
    while let Some(tree) = trees.next_if(|tree| !is_punct(tree, ',')) {
        value.extend([tree]);
    }
    match value.is_empty() {
        true => Err(missing(name.span())),
        false => Ok(value),
    }
}

fn is_punct(tree: &TokenTree, char: char) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == char)
}

fn list(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(" or ")
}
