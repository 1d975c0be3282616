-- title: Alerts of edits, by kind of period
-- about: Alerts of possible edits of wikis from one day to another by the kind of bell period they fell in and by network; each may be wrong.
-- parameters: school String, from Date, to Date
SELECT
    a.period_kind AS period_kind,
    a.segment AS segment,
    count() AS alerts,
    sum(a.edits) AS edits
FROM schoolgate.alert AS a FINAL
WHERE a.school = {school:String} AND a.kind = 'wiki_edit' AND a.day >= {from:Date} AND a.day <= {to:Date}
GROUP BY period_kind, segment
ORDER BY alerts DESC, period_kind, segment
