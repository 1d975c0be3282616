-- title: Alerts of edits in all
-- about: Alerts of possible edits of wikis from one day to another, by certainty, those of staff networks, and those of which nobody has taken notice yet; each may be wrong.
-- parameters: school String, from Date, to Date
SELECT
    count() AS alerts,
    countIf(a.certainty = 'possible') AS possible,
    countIf(a.certainty = 'likely') AS likely,
    countIf(a.certainty = 'confirmed') AS confirmed,
    countIf(a.segment = 'staff') AS staff,
    countIf(toUInt32(a.acknowledged) = 0) AS waiting
FROM schoolgate.alert AS a FINAL
WHERE a.school = {school:String} AND a.kind = 'wiki_edit' AND a.day >= {from:Date} AND a.day <= {to:Date}
