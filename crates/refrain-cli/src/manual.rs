//! `refrain completions` and `refrain man`: shell completions and manual pages.

use crate::cli::Cli;
use crate::error::{Failure, Result};
use crate::existing::{Kind, Target};
use crate::output::{Output, write_stdout};
use clap::CommandFactory;
use clap_complete::Shell;
use std::path::Path;

/// Prints the completion script of a shell.
pub(crate) fn completions(shell: Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "refrain", &mut script);
    write_stdout(&String::from_utf8_lossy(&script))
}

/// Prints the program's manual page, or writes the pages of all commands into a folder.
pub(crate) fn pages(folder: Option<&Path>, force: bool, output: &Output) -> Result<()> {
    let Some(folder) = folder else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
        rendered.map_err(|e| Failure::Work(format!("cannot render the manual page: {e}")))?;
        return write_stdout(&String::from_utf8_lossy(&page));
    };
    let failed = |e| Failure::Work(format!("cannot write manual pages into {}: {e}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut program = Cli::command();
    program.build();
    let mut replaced = 0;
    for name in names(&program) {
        let (path, kind) = (&folder.join(name), Kind::ManualPage);
        replaced += usize::from(Target { option: "the page", path, kind, force }.replaced()?.is_some());
    }
    clap_mangen::generate_to(Cli::command(), folder).map_err(failed)?;
    let replaced = if replaced == 0 { "" } else { ", replacing those there" };
    output.log(format_args!("wrote the manual pages into {}{replaced}", folder.display()));
    Ok(())
}

/// Returns the file names of the pages of a command and those below it.
fn names(command: &clap::Command) -> Vec<String> {
    let mut all = vec![clap_mangen::Man::new(command.clone()).get_filename()];
    command.get_subcommands().for_each(|below| all.extend(names(below)));
    all
}
