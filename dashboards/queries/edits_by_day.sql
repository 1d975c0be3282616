-- title: Alerts of edits, by day
-- about: Alerts of possible edits of wikis on each day, by certainty, with the edits in them; each may be wrong, and reading is never recorded.
-- parameters: school String, from Date, to Date
SELECT
    a.day AS day,
    countIf(a.certainty = 'possible') AS possible,
    countIf(a.certainty = 'likely') AS likely,
    countIf(a.certainty = 'confirmed') AS confirmed,
    sum(a.edits) AS edits
FROM schoolgate.alert AS a FINAL
WHERE a.school = {school:String} AND a.kind = 'wiki_edit' AND a.day >= {from:Date} AND a.day <= {to:Date}
GROUP BY day
ORDER BY day
