//! `refrain completions` and `refrain man`: shell completions and manual pages.

use crate::cli::Cli;
use crate::error::{Failure, Result};
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
pub(crate) fn pages(folder: Option<&Path>, output: &Output) -> Result<()> {
    let Some(folder) = folder else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
        rendered.map_err(|e| Failure::Work(format!("cannot render the manual page: {e}")))?;
        return write_stdout(&String::from_utf8_lossy(&page));
    };
    let failed = |e| Failure::Work(format!("cannot write manual pages into {}: {e}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(failed)?;
    output.log(format_args!("wrote the manual pages into {}", folder.display()));
    Ok(())
}
