-- title: Alerts about the monitor
-- about: What was wrong with the monitor itself from one day to another, the latest first; an empty end means that it still is.
-- parameters: school String, from Date, to Date
SELECT
    a.raised AS raised,
    a.kind AS kind,
    a.subject AS subject,
    if(toUInt32(a.recovered) = 0, NULL, a.recovered) AS recovered
FROM schoolgate.alert AS a FINAL
WHERE a.school = {school:String} AND a.kind != 'wiki_edit' AND a.day >= {from:Date} AND a.day <= {to:Date}
ORDER BY raised DESC, kind, subject
