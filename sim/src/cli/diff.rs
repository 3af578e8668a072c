//! `diff`: two results against each other, with how sure the differences are.

use std::path::Path;
use std::process::ExitCode;

use usrd_sim::compare::{Difference, Samples};
use usrd_sim::output::Kept;
use usrd_sim::report::comparison_page;
use usrd_sim::sweep::Results;

use super::args::DiffArgs;
use super::failure::Failure;
use super::out::{say, say_line};

pub(crate) fn run(args: &DiffArgs) -> Result<ExitCode, Failure> {
    let (a, b) = (load(&args.a)?, load(&args.b)?);
    let difference = Difference::new(&a, &b)?;
    if let Some(path) = &args.html {
        let page = comparison_page(&difference, &a, &b);
        std::fs::write(path, page).map_err(Failure::writing(path))?;
    }
    if args.json {
        say_line!("{}", difference.to_json());
    } else {
        say!("{difference}");
    }
    Ok(ExitCode::SUCCESS)
}

fn load(path: &Path) -> Result<Samples, Failure> {
    let name = path.display().to_string();
    if path.is_dir() {
        return Ok(Samples::of_run(name, &Kept::load(path)?));
    }
    Ok(Samples::of_sweep(name, &Results::load(path)?))
}
