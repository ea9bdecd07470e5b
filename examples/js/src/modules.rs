//! ES modules: their names, and their texts.

use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Ctx, Error, Function, Module, Promise, Result};

use crate::host::Host;

/// Resolves names as CommonJS does, which is in `js/modules.js`.
pub(crate) struct Names;

impl Resolver for Names {
    fn resolve<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        base: &str,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        let resolve: Function<'js> = Host::current().entries().resolve.clone().restore(ctx)?;
        resolve.call((base, name))
    }
}

/// Reads modules. For one that is built in, or is a CommonJS module, the host's JavaScript writes one.
pub(crate) struct Files;

impl Loader for Files {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        let source: Function<'js> = Host::current()
            .entries()
            .import_source
            .clone()
            .restore(ctx)?;
        let text = match source.call::<_, Option<String>>((name,))? {
            Some(text) => text,
            None if Host::current().sandbox.is_some() => {
                let reason = "there are no files in the playground";
                return Err(Error::new_loading_message(name, reason));
            }
            None => std::fs::read_to_string(name)
                .map_err(|error| Error::new_loading_message(name, error.to_string()))?,
        };
        declare(ctx, text, name)
    }
}

fn declare<'js>(ctx: &Ctx<'js>, text: String, file: &str) -> Result<Module<'js, Declared>> {
    let module = Module::declare(ctx.clone(), file, text)?;
    let meta = module.meta()?;
    meta.set("url", format!("file://{file}"))?;
    meta.set("filename", file)?;
    let directory = std::path::Path::new(file).parent();
    meta.set(
        "dirname",
        directory.map(|path| path.to_string_lossy().into_owned()),
    )?;
    Ok(module)
}

/// Starts the main module. The promise settles when its body has run.
pub(crate) fn run<'js>(ctx: Ctx<'js>, text: String, file: String) -> Result<Promise<'js>> {
    Ok(declare(&ctx, text, &file)?.eval()?.1)
}
