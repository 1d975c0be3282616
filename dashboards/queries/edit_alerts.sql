-- title: Alerts of edits, one by one
-- about: The alerts of possible edits of wikis from one day to another, the latest first, without anything that stands for a person or a device; each may be wrong.
-- parameters: school String, from Date, to Date
SELECT
    a.at AS at,
    a.wiki AS wiki,
    a.certainty AS certainty,
    a.segment AS segment,
    a.period AS period,
    a.period_kind AS period_kind,
    a.edits AS edits,
    if(toUInt32(a.acknowledged) = 0, 'waiting', 'noticed') AS notice
FROM schoolgate.alert AS a FINAL
WHERE a.school = {school:String} AND a.kind = 'wiki_edit' AND a.day >= {from:Date} AND a.day <= {to:Date}
ORDER BY at DESC, a.id
