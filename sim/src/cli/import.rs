//! `import`: htsim's files become a scenario.

use std::path::Path;
use std::process::ExitCode;

use usrd_sim::import::{Matrix, Tree, scenario_of};

use super::args::ImportArgs;
use super::failure::Failure;
use super::out::say;

pub(crate) fn run(args: &ImportArgs) -> Result<ExitCode, Failure> {
    let matrix = args.cm.as_deref().map(|path| read(path, Matrix::parse)).transpose()?;
    let tree = args.topo.as_deref().map(|path| read(path, Tree::parse)).transpose()?;
    let name = args.cm.as_deref().or(args.topo.as_deref()).and_then(Path::file_stem);
    let name = name.map_or_else(|| "imported".into(), |name| name.to_string_lossy());
    let text = scenario_of(&name, matrix.as_ref(), tree.as_ref())?;
    match &args.out {
        Some(path) => std::fs::write(path, text).map_err(Failure::writing(path))?,
        None => say!("{text}"),
    }
    Ok(ExitCode::SUCCESS)
}

fn read<T>(path: &Path, parse: impl Fn(&str) -> Result<T, (usize, String)>) -> Result<T, Failure> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    parse(&text).map_err(|(line, message)| format!("{name}:{line}: {message}").into())
}
