-- title: Messages of alerts, by day
-- about: What became of the messages about alerts on each day: sent, waiting, failed, and perhaps sent twice.
-- parameters: school String, from Date, to Date
SELECT
    d.day AS day,
    countIf(d.state = 'sent') AS sent,
    countIf(d.state IN ('pending', 'sending')) AS waiting,
    countIf(d.state = 'failed') AS failed,
    countIf(d.possible_duplicate = 1) AS doubtful
FROM schoolgate.alert_delivery AS d FINAL
WHERE d.school = {school:String} AND d.day >= {from:Date} AND d.day <= {to:Date}
GROUP BY day
ORDER BY day
