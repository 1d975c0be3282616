-- title: Alerts of edits
-- about: Alerts of edits of wikis, by wiki, certainty and network, from one day to another; each may be wrong.
-- parameters: school String, from Date, to Date
SELECT
    a.wiki AS wiki,
    a.certainty AS certainty,
    a.segment AS segment,
    count() AS alerts,
    sum(a.edits) AS edits
FROM schoolgate.alert AS a FINAL
WHERE a.school = {school:String} AND a.kind = 'wiki_edit' AND a.day >= {from:Date} AND a.day <= {to:Date}
GROUP BY wiki, certainty, segment
ORDER BY alerts DESC, wiki, certainty, segment
