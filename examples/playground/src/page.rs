//! The page: the library's page of a recorded run, with an editor and a bar for the choice of a program.

use nodeloop::recording::Recording;

/// What the page may load: itself, and the answers of this server.
pub(crate) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("../web/playground.css");
const SCRIPT: &str = include_str!("../web/playground.js");
const BAR: &str = include_str!("../web/bar.html");
const EDITOR: &str = include_str!("../web/editor.html");

/// Returns the page.
pub(crate) fn html() -> String {
    let mut page = Vec::new();
    Recording::new("nodeloop playground")
        .write_html(&mut page)
        .expect("a vector can be written to");
    let page = String::from_utf8(page).expect("a page is UTF-8");
    let page = insert(&page, "</style>", STYLE);
    let page = insert(&page, "<main>", BAR);
    let page = insert(&page, "<div id=\"source\"></div>", EDITOR);
    let page = page.replace(&policy_of(&page), policy_of_element());
    let (before, after) = page.rsplit_once("</body>").expect("the page has a body");
    format!("{before}<script>\n\"use strict\";\n{SCRIPT}</script>\n</body>{after}")
}

/// Inserts `text` before the first `anchor`.
fn insert(page: &str, anchor: &str, text: &str) -> String {
    let at = page.find(anchor);
    let at =
        at.unwrap_or_else(|| panic!("the page of a recording has no `{anchor}`: adapt `page.rs`"));
    format!("{}{text}{}", &page[..at], &page[at..])
}

/// Returns the policy of the library's page, which permits no request at all.
fn policy_of(page: &str) -> String {
    let (_, after) = page
        .split_once("http-equiv=\"Content-Security-Policy\" content=\"")
        .expect("the page of a recording has a policy");
    after.split('"').next().unwrap_or_default().to_owned()
}

/// Returns the policy without what has no effect in an element of the page.
fn policy_of_element() -> &'static str {
    let (policy, _) = POLICY
        .split_once("; frame-ancestors")
        .unwrap_or((POLICY, ""));
    policy
}
