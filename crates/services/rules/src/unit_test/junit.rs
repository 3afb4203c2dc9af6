//! Reports as JUnit XML, which build servers read.

use super::FileReport;

/// The reports of all files.
pub fn write(reports: &[FileReport]) -> String {
    let mut out = String::from("<testsuites>");
    for report in reports {
        let failures: usize = report.cases.iter().map(|case| case.failures.len()).sum();
        out.push_str(&format!(
            "<testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{}\" skipped=\"0\" timestamp=\"{}\">",
            escaped(&report.name),
            report.cases.len() + usize::from(report.aborted.is_some()),
            usize::from(report.aborted.is_some()),
            report.started
        ));
        if let Some(error) = &report.aborted {
            out.push_str(&format!("<testcase name=\"unknown\"><error>{}</error></testcase>", escaped(error)));
        }
        for case in &report.cases {
            out.push_str(&format!("<testcase name=\"{}\">", escaped(&case.name)));
            for failure in &case.failures {
                out.push_str(&format!("<failure>{}</failure>", escaped(failure)));
            }
            out.push_str("</testcase>");
        }
        out.push_str("</testsuite>");
    }
    out.push_str("</testsuites>");
    out
}

/// A text inside XML; characters that XML cannot hold are replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' => out.push_str("&#x9;"),
            '\n' => out.push_str("&#xA;"),
            '\r' => out.push_str("&#xD;"),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
