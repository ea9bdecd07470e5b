//! The function that replaces the one with the attribute.

use proc_macro::{Delimiter, Group, Span, TokenStream, TokenTree};

use crate::function::Function;
use crate::options::Options;
use crate::{Error, source, with_span};

/// Expands `#[nodeloop::main]`.
pub(crate) fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    let expanded = Options::parse(options, &["crate"])
        .and_then(|options| checked_main(&options, Function::parse(item)?));
    expanded.unwrap_or_else(|error| {
        let mut tokens = error.into_tokens();
        // Without it, the compiler would also report that there is no `main`.
        tokens.extend(source("fn main() {}"));
        tokens
    })
}

/// Expands `#[nodeloop::test]`.
pub(crate) fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    let is_bare = options.is_empty();
    let expanded =
        Options::parse(options, &["crate", "explore", "real_time"]).and_then(|options| {
            let function = Function::parse(item.clone())?;
            match is_bare && function.asyncness.is_none() {
                true => ordinary_test(&function, item),
                false => checked_test(&options, function),
            }
        });
    expanded.unwrap_or_else(Error::into_tokens)
}

fn checked_main(options: &Options, function: Function) -> Result<TokenStream, Error> {
    if function.name.to_string() != "main" {
        let message = "`#[nodeloop::main]` can only be used on `async fn main`: elsewhere call \
                       `nodeloop::run`";
        return Err(Error::new(function.name.span(), message));
    }
    require_async(&function)?;
    if let [first, ..] = &function.argument_starts()[..] {
        let message = "`main` must not have arguments: use `std::env::args`";
        return Err(Error::new(first.span(), message));
    }
    let call = call(options, "run(main())", function.output_span());
    Ok(wrap(function, TokenStream::new(), call))
}

/// `use nodeloop::test` imports the module and the attribute, which then takes the place of the one
/// of std. A function that is not `async` is an ordinary test.
fn ordinary_test(function: &Function, item: TokenStream) -> Result<TokenStream, Error> {
    if let [first, ..] = &function.argument_starts()[..] {
        return Err(Error::new(first.span(), NOT_ASYNC));
    }
    refuse_second_attribute(function)?;
    let mut tokens = source(TEST);
    tokens.extend(item);
    Ok(tokens)
}

fn checked_test(options: &Options, function: Function) -> Result<TokenStream, Error> {
    require_async(&function)?;
    refuse_second_attribute(&function)?;
    let starts = function.argument_starts();
    if let [_, second, ..] = &starts[..] {
        let message = "a test has at most one argument, the `nodeloop::test::Test`";
        return Err(Error::new(second.span(), message));
    }
    let run = match (&options.explore, &options.real_time) {
        (Some((name, _)), Some(_)) => {
            let message = "`explore` needs virtual time: remove `real_time`";
            return Err(Error::new(name.span(), message));
        }
        (Some((name, _)), None) if !function.output.is_empty() => {
            let message = "a test with `explore` returns nothing: use `unwrap` inside";
            return Err(Error::new(name.span(), message));
        }
        (Some(_), None) => "test::explore",
        (None, Some(_)) => "test::TestBuilder::new().real_time().run",
        (None, None) => "test::run",
    };
    let name = TokenTree::from(function.name.clone());
    let mut body = TokenStream::new();
    if let Some((_, seeds)) = &options.explore {
        body.extend(seeds.clone());
        body.extend(source(","));
    }
    match starts.is_empty() {
        true => {
            body.extend(source("|_|"));
            body.extend([name]);
            body.extend(source("()"));
        }
        false => body.extend([name]),
    }
    let span = function.output_span();
    let mut call = call(options, run, span);
    let mut arguments = Group::new(Delimiter::Parenthesis, body);
    arguments.set_span(span);
    call.extend([TokenTree::from(arguments)]);
    if options.explore.is_some() {
        call.extend(source(";")); // drops the `Explored`
    }
    Ok(wrap(function, source(TEST), call))
}

/// The attribute of std, which a local name cannot hide.
const TEST: &str = "#[::core::prelude::v1::test]";

const NOT_ASYNC: &str = "the function must be `async`";

fn require_async(function: &Function) -> Result<(), Error> {
    match function.asyncness {
        Some(_) => Ok(()),
        None => Err(Error::new(function.keyword.span(), NOT_ASYNC)),
    }
}

fn refuse_second_attribute(function: &Function) -> Result<(), Error> {
    match function.attribute("test") {
        Some(span) => Err(Error::new(
            span,
            "the test would run twice: remove this attribute",
        )),
        None => Ok(()),
    }
}

/// Returns the call of a function of nodeloop. Its location is `span`, which reports show.
fn call(options: &Options, code: &str, span: Span) -> TokenStream {
    let mut call = match &options.path {
        Some(path) => path.clone(),
        None => with_span(source("::nodeloop"), span),
    };
    call.extend(with_span(source("::"), span));
    call.extend(with_span(source(code), span));
    call
}

/// Returns the function without `async`, whose body is the `async` function and the call.
fn wrap(function: Function, attributes: TokenStream, call: TokenStream) -> TokenStream {
    let signature: [TokenTree; 2] = [function.keyword.into(), function.name.into()];
    let mut inner = TokenStream::new();
    inner.extend(function.asyncness.map(TokenTree::from));
    inner.extend(signature.clone());
    inner.extend([TokenTree::from(function.arguments.clone())]);
    inner.extend(function.output.clone());
    inner.extend([TokenTree::from(function.body.clone())]);
    inner.extend(call);
    let mut body = Group::new(Delimiter::Brace, inner);
    body.set_span(function.body.span());
    let mut no_arguments = Group::new(Delimiter::Parenthesis, TokenStream::new());
    no_arguments.set_span(function.arguments.span());

    let mut tokens = attributes;
    tokens.extend(function.attributes);
    tokens.extend(function.visibility);
    tokens.extend(signature);
    tokens.extend([TokenTree::from(no_arguments)]);
    tokens.extend(function.output);
    tokens.extend([TokenTree::from(body)]);
    tokens
}
