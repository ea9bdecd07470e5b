//! An error in the function is reported where it stands.

mod nodeloop {
    pub fn run<F: std::future::Future>(_future: F) -> F::Output {
        unimplemented!()
    }
}

#[nodeloop_macros::main(crate = crate::nodeloop)]
async fn main() {
    std::future::ready(()).await;
    compile_error!("the line of this macro");
}
