//! The parts of the function that an attribute stands on.

use std::iter::Peekable;

use proc_macro::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

use crate::Error;

/// A function without generics, and with a body.
pub(crate) struct Function {
    /// With documentation comments, which are attributes, too.
    pub(crate) attributes: Vec<TokenTree>,
    pub(crate) visibility: Vec<TokenTree>,
    /// `async`, if the function is.
    pub(crate) asyncness: Option<Ident>,
    /// The keyword `fn`.
    pub(crate) keyword: Ident,
    pub(crate) name: Ident,
    pub(crate) arguments: Group,
    /// `-> T`, or nothing.
    pub(crate) output: Vec<TokenTree>,
    pub(crate) body: Group,
}

type Trees = Peekable<std::vec::IntoIter<TokenTree>>;

impl Function {
    /// Reads an item. The compiler has checked that its syntax is that of an item.
    pub(crate) fn parse(item: TokenStream) -> Result<Function, Error> {
        let not_a_function = |span| Error::new(span, "expected an `async fn`");
        let mut trees = without_invisible_groups(item);
        let attributes = take_attributes(&mut trees);
        let visibility = take_visibility(&mut trees);
        let (mut asyncness, mut refused) = (None, None);
        let keyword = loop {
            let Some(tree) = trees.next() else {
                return Err(not_a_function(Span::call_site()));
            };
            match tree {
                TokenTree::Ident(ident) => match ident.to_string().as_str() {
                    "fn" => break ident,
                    "async" => asyncness = Some(ident),
                    "const" | "unsafe" | "extern" => refused = Some(ident),
                    _ => return Err(not_a_function(ident.span())),
                },
                TokenTree::Literal(_) if refused.is_some() => {} // extern "C"
                tree => return Err(not_a_function(tree.span())),
            }
        };
        if let Some(refused) = refused {
            let message = format!("the function must not be `{refused}`");
            return Err(Error::new(refused.span(), message));
        }
        let Some(TokenTree::Ident(name)) = trees.next() else {
            return Err(not_a_function(keyword.span()));
        };
        let arguments = match trees.next() {
            Some(TokenTree::Group(arguments)) => arguments,
            Some(generics) => {
                let message = "the function must not have generic parameters";
                return Err(Error::new(generics.span(), message));
            }
            None => return Err(not_a_function(keyword.span())),
        };
        let mut output: Vec<TokenTree> = trees.collect();
        let body = match output.pop() {
            Some(TokenTree::Group(body)) if body.delimiter() == Delimiter::Brace => body,
            _ => return Err(Error::new(name.span(), "the function must have a body")),
        };
        Ok(Function {
            attributes,
            visibility,
            asyncness,
            keyword,
            name,
            arguments,
            output,
            body,
        })
    }

    /// Returns the span of an attribute whose path ends in `name`.
    pub(crate) fn attribute(&self, name: &str) -> Option<Span> {
        let is_named = |attribute: &Group| {
            let path = attribute
                .stream()
                .into_iter()
                .take_while(|tree| match tree {
                    TokenTree::Ident(_) => true,
                    TokenTree::Punct(punct) => punct.as_char() == ':',
                    _ => false,
                });
            path.last().is_some_and(|tree| tree.to_string() == name)
        };
        self.attributes.iter().find_map(|tree| match tree {
            TokenTree::Group(group) if is_named(group) => Some(group.span()),
            _ => None,
        })
    }

    /// Returns the first token of each argument.
    pub(crate) fn argument_starts(&self) -> Vec<TokenTree> {
        let (mut starts, mut depth, mut is_start) = (Vec::new(), 0, true);
        let mut before = ' ';
        for tree in self.arguments.stream() {
            let mut current = ' ';
            if let TokenTree::Punct(punct) = &tree {
                current = punct.as_char();
                match current {
                    '<' => depth += 1,
                    '>' if before != '-' => depth -= 1,
                    ',' if depth == 0 => {
                        is_start = true;
                        continue;
                    }
                    _ => {}
                }
            }
            before = current;
            if is_start {
                starts.push(tree);
                is_start = false;
            }
        }
        starts
    }

    /// Returns where the type of the output stands, or the name of the function.
    pub(crate) fn output_span(&self) -> Span {
        let after_arrow = self.output.get(2);
        after_arrow.map_or(self.name.span(), TokenTree::span)
    }
}

/// Removes the invisible groups around what a `macro_rules` macro has inserted, except for those of
/// types, where they take the place of parentheses.
fn without_invisible_groups(item: TokenStream) -> Trees {
    let mut is_header = true;
    let mut trees = Vec::new();
    for tree in item {
        match &tree {
            TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
                let mut inside = group.stream().into_iter();
                let is_block = |tree: &TokenTree| matches!(tree, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
                if is_header || inside.clone().next().is_some_and(|tree| is_block(&tree)) {
                    trees.extend(&mut inside);
                    continue;
                }
            }
            TokenTree::Ident(ident) => is_header &= ident.to_string() != "fn",
            _ => {}
        }
        trees.push(tree);
    }
    trees.into_iter().peekable()
}

fn take_attributes(trees: &mut Trees) -> Vec<TokenTree> {
    let mut attributes = Vec::new();
    let is_number_sign =
        |tree: &TokenTree| matches!(tree, TokenTree::Punct(punct) if punct.as_char() == '#');
    while let Some(number_sign) = trees.next_if(is_number_sign) {
        attributes.push(number_sign);
        attributes.extend(trees.next()); // the group in brackets
    }
    attributes
}

fn take_visibility(trees: &mut Trees) -> Vec<TokenTree> {
    let is_pub = |tree: &TokenTree| tree.to_string() == "pub";
    let mut visibility: Vec<TokenTree> = trees.next_if(is_pub).into_iter().collect();
    if !visibility.is_empty() {
        visibility.extend(trees.next_if(|tree| matches!(tree, TokenTree::Group(_))));
    }
    visibility
}
