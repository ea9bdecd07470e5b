//! Functions that `#[nodeloop::main]` refuses.

mod not_async {
    #[nodeloop_macros::main]
    fn main() {}
}

mod with_an_argument {
    #[nodeloop_macros::main]
    async fn main(arguments: Vec<String>) {}
}

mod with_generics {
    #[nodeloop_macros::main]
    async fn main<T>() {}
}

mod with_another_name {
    #[nodeloop_macros::main]
    async fn start() {}
}

mod not_a_function {
    #[nodeloop_macros::main]
    struct Main;
}

mod unsafe_ {
    #[nodeloop_macros::main]
    async unsafe fn main() {}
}

mod extern_ {
    #[nodeloop_macros::main]
    extern "C" fn main() {}
}

mod with_an_unknown_option {
    #[nodeloop_macros::main(flavor = "current_thread")]
    async fn main() {}
}

mod with_quotation_marks {
    #[nodeloop_macros::main(crate = "my_crate::nodeloop")]
    async fn main() {}
}

mod without_a_value {
    #[nodeloop_macros::main(crate)]
    async fn main() {}
}

fn main() {}
