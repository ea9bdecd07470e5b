//! Chapters that belong to no single item.
//!
//! | to | read |
//! |---|---|
//! | start | [getting started](getting_started), coming [from tokio](coming_from_tokio) or [from Node](coming_from_node), the [examples](mod@examples) |
//! | understand the order | [the event loop](event_loop), its [rules](mod@rules), how [exact](exactness) they are, and what is [eager or lazy](eager_and_lazy) |
//! | look something up | the [cookbook](mod@cookbook) of crates that fit, [errors and exit](errors_and_exit), [limits and questions](limits_and_faq), the [speed](performance) beside other runtimes |
//! | find a fault | [tests of order](mod@testing), tests in a [simulated world](mod@world), [observing a loop](mod@observing), a [recording](mod@recording) of a run, the [flight recorder](mod@flight_recorder), which repeats one |
//! | host a JavaScript engine | [embedding an engine](embedding) |
//! | change the crate | its [architecture](mod@architecture) |

#[doc = include_str!("guide/getting_started.md")]
pub mod getting_started {}

#[doc = include_str!("guide/coming_from_tokio.md")]
pub mod coming_from_tokio {}

#[doc = include_str!("guide/coming_from_node.md")]
pub mod coming_from_node {}

#[doc = include_str!("guide/embedding.md")]
pub mod embedding {}

#[doc = include_str!("guide/examples.md")]
pub mod examples {}

#[doc = include_str!("guide/event_loop.md")]
pub mod event_loop {}

// `examples/cookbook` runs the snippets, which need other crates.
#[cfg_attr(not(doctest), doc = include_str!("guide/cookbook.md"))]
pub mod cookbook {}

#[doc = include_str!("guide/eager_and_lazy.md")]
pub mod eager_and_lazy {}

#[doc = include_str!("guide/errors_and_exit.md")]
pub mod errors_and_exit {}

#[doc = include_str!("guide/limits_and_faq.md")]
pub mod limits_and_faq {}

#[doc = include_str!("guide/performance.md")]
pub mod performance {}

#[doc = include_str!("guide/testing.md")]
pub mod testing {}

#[doc = include_str!("guide/world.md")]
pub mod world {}

#[doc = include_str!("guide/observing.md")]
pub mod observing {}

#[doc = include_str!("guide/flight_recorder.md")]
pub mod flight_recorder {}

#[cfg(feature = "recording")]
#[doc = include_str!("guide/recording.md")]
pub mod recording {}

#[doc = include_str!("guide/exactness.md")]
pub mod exactness {}

#[doc = include_str!("guide/rules.md")]
pub mod rules {}

#[doc = include_str!("guide/architecture.md")]
pub mod architecture {}
