//! Writes findings to stdout, to a page and to files of figures.

use crate::cli::InspectWrite;
use crate::error::{Failure, Result};
use crate::existing::{self, Kind, Target};
use crate::output::{Output, Verbosity};
use crate::shell::this_command_with;
use crate::writable::{self, Written};
use refrain::Error;
use refrain::inspect::{PictureFormat, Report};
use refrain::plot::Theme;
use refrain::shown::counted;
use std::fs;
use std::path::{Path, PathBuf};

/// The files to write, checked before the work.
#[derive(Debug)]
pub(super) struct Delivery<'a> {
    options: &'a InspectWrite,
    folder: Option<Folder<'a>>,
    /// What the page replaces.
    replaced: Option<String>,
}

/// The folder for the figures.
#[derive(Debug)]
struct Folder<'a> {
    path: &'a Path,
    /// Whether this run created it and it is still empty.
    idle: bool,
}

impl<'a> Delivery<'a> {
    /// Refuses paths that cannot be written, would overwrite an input file, or hold something else.
    pub(super) fn new(options: &'a InspectWrite, read: &[PathBuf]) -> Result<Self> {
        if options.png && !cfg!(feature = "png") {
            let reason = "this program was built without PNG support; leave out --png, or build it with `--features png`";
            return Err(Failure::input(reason));
        }
        if let (Some(html), Some(out)) = (&options.html, &options.out) {
            writable::keep_apart(&[Written::File("--html", html), Written::Folder("--out", out)])?;
        }
        let mut replaced = None;
        if let Some(html) = &options.html {
            writable::check(html, "name another file with --html")?;
            writable::refuse_input_path(html, read, "--html")?;
            let target = Target { option: "--html", path: html, kind: Kind::Page, force: options.force };
            replaced = target.replaced()?;
        }
        let folder = options.out.as_deref().map(Folder::new).transpose()?;
        Ok(Self { options, folder, replaced })
    }

    /// Writes the files, then the findings.
    pub(super) fn deliver(mut self, report: &Report, output: &Output) -> Result<()> {
        let theme: Theme = self.options.theme.into();
        let mut files = Vec::new();
        if let Some(folder) = &mut self.folder {
            folder.idle = false;
            let png = self.options.png.then_some((PictureFormat::Png, Kind::Png, "png"));
            let formats = [Some((PictureFormat::Svg, Kind::Svg, "svg")), png];
            let replaced = replaced(report, folder.path, formats.into_iter().flatten(), self.options.force)?;
            for (format, ..) in formats.into_iter().flatten() {
                files.extend(report.save_pictures(folder.path, format, theme).map_err(failed)?);
            }
            let replaced = match replaced {
                0 => String::new(),
                n => format!(", replacing {}", counted(n, "earlier figure")),
            };
            let (figures, path) = (counted(files.len(), "figure"), folder.path.display());
            output.log(format_args!("wrote {figures} to {path}{replaced}"));
        }
        if let Some(html) = &self.options.html {
            existing::say(output, html, self.replaced.take());
            report.save_html(html, theme).map_err(failed)?;
            output.log(format_args!("wrote {}", html.display()));
            files.push(html.clone());
        }
        let mut fields = report.json();
        let names: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
        fields.insert("files".to_owned(), names.into());
        output.result(fields, || report.text(output.level() == Verbosity::Verbose))?;
        if files.is_empty() {
            let command = this_command_with("--html=inspect.html");
            output.log(format_args!("\nFor a page with figures and tables:\n  {command}"));
        }
        Ok(())
    }
}

/// Checks what the figures replace, and returns how many do.
fn replaced(
    report: &Report,
    folder: &Path,
    formats: impl Iterator<Item = (PictureFormat, Kind<'static>, &'static str)>,
    force: bool,
) -> Result<usize> {
    let names: Vec<_> = report.pictures().into_iter().map(|(name, _)| name).collect();
    let mut count = 0;
    for (_, kind, extension) in formats {
        for name in &names {
            let path = &folder.join(format!("{name}.{extension}"));
            count += usize::from(Target { option: "--out", path, kind, force }.replaced()?.is_some());
        }
    }
    Ok(count)
}

impl<'a> Folder<'a> {
    fn new(path: &'a Path) -> Result<Self> {
        let advice = "name another folder with --out";
        let refused = |reason: String| {
            Failure::input(format!("cannot write to {}: {reason}; {advice}", path.display()))
        };
        let idle = match path.metadata() {
            Ok(found) if !found.is_dir() => return Err(refused("it is not a folder".to_owned())),
            Ok(_) => false,
            Err(_) => {
                fs::create_dir_all(path).map_err(|e| refused(e.to_string()))?;
                true
            }
        };
        let folder = Self { path, idle };
        writable::check(&path.join("figure.svg"), advice)?;
        Ok(folder)
    }
}

impl Drop for Folder<'_> {
    /// Removes the folder if a failed run created it and left it empty.
    fn drop(&mut self) {
        if self.idle {
            let _ = fs::remove_dir(self.path);
        }
    }
}

/// Converts an error of writing. The paths were checked before, so it is not an input error.
fn failed(error: refrain::inspect::Error) -> Failure {
    Failure::Work(Error::from(error).to_string())
}
