//! Functions that `#[nodeloop::test]` refuses.

mod not_async {
    #[nodeloop_macros::test]
    fn with_an_argument(t: Test) {}

    #[nodeloop_macros::test(real_time)]
    fn with_an_option() {}
}

mod with_arguments {
    #[nodeloop_macros::test]
    async fn two(t: Test<u8, u8>, number: u8) {}
}

mod with_two_attributes {
    #[nodeloop_macros::test]
    #[test]
    async fn of_std() {}

    #[nodeloop_macros::test]
    #[nodeloop_macros::test]
    fn of_both_kinds() {}
}

mod with_options {
    #[nodeloop_macros::test(real_time, explore = 10)]
    async fn of_different_clocks() {}

    #[nodeloop_macros::test(explore = 10)]
    async fn and_a_result() -> Result<(), ()> {}

    #[nodeloop_macros::test(explore)]
    async fn without_a_value() {}

    #[nodeloop_macros::test(real_time, real_time)]
    async fn twice() {}

    #[nodeloop_macros::test(real_time explore = 10)]
    async fn without_a_comma() {}

    #[nodeloop_macros::test(virtual_time)]
    async fn unknown() {}
}

mod not_a_function {
    #[nodeloop_macros::test]
    const TEST: u8 = 0;
}

fn main() {}
