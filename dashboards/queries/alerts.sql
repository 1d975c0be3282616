-- title: Alerts, each in full
-- about: Every alert from one day to another, the latest first, as it was told: of edits and about the monitor, without anything that stands for a person or a device.
-- parameters: school String, from Date, to Date
SELECT
    a.id AS id,
    a.kind AS kind,
    a.subject AS subject,
    a.day AS day,
    a.raised AS raised,
    a.at AS at,
    a.last AS last,
    a.certainty AS certainty,
    a.percent AS percent,
    a.wiki AS wiki,
    a.service AS service,
    a.segment AS segment,
    a.period AS period,
    a.period_kind AS period_kind,
    a.rule AS rule,
    a.why AS why,
    a.edits AS edits,
    a.recovered AS recovered,
    a.acknowledged AS acknowledged
FROM schoolgate.alert AS a FINAL
WHERE a.school = {school:String} AND a.day >= {from:Date} AND a.day <= {to:Date}
ORDER BY raised DESC, id
