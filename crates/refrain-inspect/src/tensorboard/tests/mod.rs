//! Events in the files, read back with this crate's own messages; `.ci/tensorboard` reads them with TensorBoard's.

mod fit;

use super::proto::{Datum, Event, HParamsData, HParamsPluginData, Kind, SummaryValue, What};
use super::record::unframe;
use super::*;
use crate::Error;
use prost::Message;
use std::collections::BTreeMap;
use std::path::Path;

fn events(path: &Path) -> Vec<Event> {
    let records = unframe(&std::fs::read(path).unwrap()).unwrap();
    records.iter().map(|record| Event::decode(&record[..]).unwrap()).collect()
}

/// Returns the values of a file in order, each with its step, without the version.
fn values(path: &Path) -> Vec<(i64, SummaryValue)> {
    let one = |event: Event| match event.what {
        Some(What::Summary(mut summary)) => {
            assert_eq!(summary.value.len(), 1);
            Some((event.step, summary.value.remove(0)))
        }
        _ => None,
    };
    events(path).into_iter().filter_map(one).collect()
}

/// Returns the files of a folder in the order in which TensorBoard reads them.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Returns the contents of a folder by tag, as steps and values, without what a restart drops.
fn series(folder: &Path) -> BTreeMap<String, Vec<(i64, Datum)>> {
    let mut all: BTreeMap<String, Vec<(i64, Datum)>> = BTreeMap::new();
    for event in files(folder).iter().flat_map(|path| events(path)) {
        match event.what {
            Some(What::SessionLog(log)) => {
                assert_eq!(log.status, 1);
                all.values_mut().for_each(|points| points.retain(|(step, _)| *step < event.step));
            }
            Some(What::Summary(summary)) => {
                for SummaryValue { tag, datum, .. } in summary.value {
                    all.entry(tag).or_default().push((event.step, datum.unwrap()));
                }
            }
            _ => {}
        }
    }
    all
}

/// Returns the scalars among them, as bits.
fn scalars(folder: &Path) -> BTreeMap<String, Vec<(i64, u32)>> {
    let bits = |(step, datum): (i64, Datum)| match datum {
        Datum::SimpleValue(value) => Some((step, value.to_bits())),
        _ => None,
    };
    let scalars =
        |(tag, points): (String, Vec<_>)| (tag, points.into_iter().filter_map(bits).collect::<Vec<_>>());
    series(folder).into_iter().map(scalars).filter(|(_, points)| !points.is_empty()).collect()
}

#[test]
fn written_events_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = EventWriter::create(folder.path().join("a/b")).unwrap();
    let numbers = [1.5, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 1e-320, 0.1];
    for (step, &number) in numbers.iter().enumerate() {
        writer.scalar("x", step as u64, number).unwrap();
    }
    writer.histogram("h", 3, [1.0, f32::NAN, -2.0]).unwrap();
    writer.text("t", u64::try_from(i64::MAX).unwrap(), "# Wörter\n\n\0|a|").unwrap();
    writer.restart(7).unwrap();
    let path = writer.path().to_owned();
    drop(writer);
    let first = &events(&path)[0];
    assert_eq!(first.what, Some(What::FileVersion("brain.Event:2".into())));
    assert!(first.wall_time > 1.6e9);
    let values = values(&path);
    for ((step, value), (at, number)) in values.iter().zip(numbers.iter().enumerate()) {
        let Some(Datum::SimpleValue(got)) = value.datum else { panic!("{value:?}") };
        assert_eq!((*step, value.tag.as_str(), got.to_bits()), (at as i64, "x", (*number as f32).to_bits()));
    }
    let [(3, h), (3, bad), (i64::MAX, t)] = &values[numbers.len()..] else { panic!("{values:?}") };
    let Some(Datum::Histo(histo)) = &h.datum else { panic!("{h:?}") };
    assert_eq!((histo.num, histo.sum, histo.bucket.iter().sum()), (2.0, -1.0, 2.0));
    assert_eq!((bad.tag.as_str(), &bad.datum), ("h/not_finite", &Some(Datum::SimpleValue(1.0))));
    let Some(Datum::Tensor(text)) = &t.datum else { panic!("{t:?}") };
    assert_eq!(text.string_val, ["# Wörter\n\n\0|a|".as_bytes()]);
    let all = events(&path);
    for event in &all[all.len() - 2..] {
        assert!(event.step == 7 && matches!(&event.what, Some(What::SessionLog(log)) if log.status == 1));
    }
}

#[test]
fn unusual_names_are_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("läuf #1 (%20) 'x'");
    let tags = ["a b", "ü/漢/🦀", "../x", "a\nb", " ", "<b>", &"x".repeat(10_000)];
    let mut writer = EventWriter::create(&below).unwrap();
    tags.iter().for_each(|tag| writer.scalar(tag, 1, 1.0).unwrap());
    writer.flush().unwrap();
    let got: Vec<_> = values(writer.path()).into_iter().map(|(_, value)| value.tag).collect();
    assert_eq!(got, tags);
}

#[test]
fn invalid_values_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = EventWriter::create(&folder).unwrap();
    let setting = |result: crate::Result<()>| match result {
        Err(Error::Setting { setting, .. }) => setting,
        other => panic!("{other:?}"),
    };
    assert_eq!(setting(writer.scalar("", 1, 1.0)), "tag");
    assert_eq!(setting(writer.scalar("x", u64::MAX, 1.0)), "step");
    assert_eq!(setting(writer.restart(1 << 63)), "step");
    let units = || ("units".to_owned(), HParam::Number(1.0));
    assert_eq!(setting(writer.hparams(&[units(), units()], &[])), "hparams");
    assert_eq!(setting(writer.hparams(&[("lr".into(), f64::NAN.into())], &[])), "hparams");
    writer.flush().unwrap();
    assert_eq!(events(writer.path()).len(), 1);
}

#[test]
fn settings_are_in_the_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = EventWriter::create(&folder).unwrap();
    let hparams = [("lr".into(), 0.1.into()), ("cell".into(), "gru".into()), ("tie".into(), false.into())];
    writer.hparams(&hparams, &[MetricTag::new("validation", "epoch_loss")]).unwrap();
    writer.session_end(false).unwrap();
    writer.flush().unwrap();
    let parsed = |value: SummaryValue| {
        let plugin = value.metadata.unwrap().plugin_data.unwrap();
        assert_eq!(plugin.plugin_name, "hparams");
        HParamsPluginData::decode(&plugin.content[..]).unwrap().data.unwrap()
    };
    let data: Vec<_> = values(writer.path()).into_iter().map(|(_, value)| parsed(value)).collect();
    let [
        HParamsData::Experiment(all),
        HParamsData::SessionStartInfo(start),
        HParamsData::SessionEndInfo(end),
    ] = &data[..]
    else {
        panic!("{data:?}")
    };
    let kinds: Vec<_> = all.hparam_infos.iter().map(|info| (info.name.as_str(), info.kind)).collect();
    assert_eq!(kinds, [("lr", 3), ("cell", 1), ("tie", 2)]);
    let metric = all.metric_infos[0].name.as_ref().unwrap();
    assert_eq!((metric.group.as_str(), metric.tag.as_str()), ("validation", "epoch_loss"));
    let kind = |name: &str| start.hparams[name].kind.clone().unwrap();
    assert_eq!(kind("lr"), Kind::Number(0.1));
    assert_eq!((kind("cell"), kind("tie")), (Kind::String("gru".into()), Kind::Bool(false)));
    assert!(end.status == 2 && end.end_time_secs >= start.start_time_secs);
}
